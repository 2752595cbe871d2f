"""What a front says when it refuses: close codes and its own error codes (docs/protocol.md §6).

The range of a close code tells a client what to do: 4000-4099 stop, 4100-4199 sign in (4102: come back),
4200-4299 come back. Error codes of actions and stores are made by the database and the multiplexer; a front
adds only those below.
"""

from enum import IntEnum

from broker.messages import Error


class CloseCode(IntEnum):
    """Codes a front closes a connection with; a test compares them with the table in docs/protocol.md."""

    INTERNAL_ERROR = 1011
    """A fault of ours; the client comes back."""
    PROTOCOL_ERROR = 1002
    """Against RFC 6455 or RFC 7692."""
    INVALID_UTF8 = 1007
    """A text message that is no UTF-8 (RFC 6455)."""
    BAD_FRAME = 4001
    """Not a frame of this protocol, or not in this state."""
    FRAME_TOO_LARGE = 4002
    """A frame of more than ``max_frame`` bytes."""
    NO_COMMON_VERSION = 4003
    """The client speaks no protocol version that we speak."""
    KICKED = 4004
    """The application has ended this actor's connections."""
    NO_TOKEN = 4100
    """``hello`` came without a token."""
    TOKEN_REFUSED = 4101
    """The token is not accepted, or expired."""
    NO_HELLO = 4102
    """No ``hello`` came in time."""
    GOING_AWAY = 4200
    """The front is going away."""
    NOTHING_HEARD = 4201
    """Nothing was heard for too long."""
    BLOCKED = 4202
    """The socket stayed blocked for too long."""
    TOO_MANY = 4203
    """The actor has too many connections."""
    TOO_FAST = 4204
    """Too many frames came a second."""
    COME_AGAIN = 4205
    """The token may be good, but not for this connection."""


BUSY = Error("busy", "Too many actions are under way; send it again after a while.")
TOO_MANY_SUBSCRIPTIONS = Error("too_many_subscriptions", "This connection holds as many stores as it may.")
