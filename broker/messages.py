"""The words on the road between fronts and multiplexer.

A front gathers what one tick brought into a :class:`Parcel` and puts it on the
action bus. The multiplexer answers on the front's own stream of the update bus,
and tells all fronts of every commit on the shared one. A message is a frozen
value; ``codec`` turns it into bytes and back.

Whatever a client wrote travels as text (``params``) and is parsed by Postgres
alone. Whatever a client will read travels as ready JSON (``frame``, ``reply``),
made once for the whole cluster.
"""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of all messages: immutable, compared by value, tagged with its class name on the bus."""


class Action(Message, frozen=True):
    """A client's action on its way to ``flux.dispatch`` (docs/protocol.md §4)."""

    connection: int
    """Number of the client connection on its front; comes back in the outcome."""
    actor: str
    claims: str
    """The verified token's claims, a JSON object as text."""
    client: str
    lane: int
    number: int
    name: str
    params: str
    """The payload as the client wrote it: JSON text, not yet parsed by anyone."""
    trace: str = ""
    """Context of the front's span (``traces``)."""


class Open(Message, frozen=True):
    """A front asks for the key of a store, and whether this actor may read it."""

    request: int
    """Number of the question on its front; comes back in :class:`Opened` or :class:`Denied`."""
    name: str
    params: str
    actor: str
    claims: str


class Fetch(Message, frozen=True):
    """A front asks for a snapshot of a store it was given the key of: :class:`Snapshot` or :class:`Gone` answers."""

    key: str


class Held(Message, frozen=True):
    """Where a store stands on a front: at ``version`` of ``epoch``."""

    key: str
    epoch: str
    version: int


class Renew(Message, frozen=True):
    """A front says where some of the stores stand that it holds, and that it lives.

    The multiplexer answers :class:`Renewed` with those that stand further in the database: so nothing stays stale on a
    quiet store, whatever was lost on the way.
    """

    held: list[Held]


FrontMessage = Action | Open | Fetch | Renew
"""What a front says to the multiplexer."""


class Parcel(Message, frozen=True):
    """What one tick of one front gathered, in the order it came; one entry of the action bus."""

    front: str
    messages: list[FrontMessage]


class Error(Message, frozen=True):
    """A coded error (docs/protocol.md §6)."""

    code: str
    message: str
    constraint: str | None = None
    column: str | None = None


class Outcome(Message, frozen=True):
    """What became of an action; ``stores`` maps each touched store's key to the version it reached."""

    connection: int
    lane: int
    number: int
    status: str
    """``ok``, ``refused`` or ``invalid``."""
    reply: str | None
    """JSON text; only with ``ok``."""
    error: Error | None
    stores: dict[str, int]


class Opened(Message, frozen=True):
    """The actor may read the store, for the next ``ttl_ms`` milliseconds without asking again."""

    request: int
    key: str
    shared: bool
    """Whether the verdict and the key hold for every actor (a public, shared store)."""
    ttl_ms: int


class Denied(Message, frozen=True):
    """The store cannot be opened for this actor."""

    request: int
    error: Error


class Snapshot(Message, frozen=True):
    """A whole store; ``frame`` is the ready JSON text of its ``snapshot`` frame (docs/protocol.md §3)."""

    key: str
    epoch: str
    version: int
    frame: bytes


class Gone(Message, frozen=True):
    """A store can no longer be rendered: its holders must let go of it."""

    key: str
    error: Error


class Update(Message, frozen=True):
    """A patch of a store; ``frame`` is the ready JSON text of its ``update`` frame (docs/protocol.md §3)."""

    key: str
    epoch: str
    from_version: int
    to_version: int
    frame: bytes


class Commit(Message, frozen=True):
    """The updates of one commit; they reach a client together (docs/protocol.md §5)."""

    updates: list[Update]
    told_at: float = 0.0
    """When the multiplexer heard of it, in seconds since 1970 by its clock; 0: nobody knows."""
    traces: list[str] = []
    """Contexts of the spans of its telling (``traces``), one for each traced action it comes of."""


class Recheck(Message, frozen=True):
    """Who may read a store may have changed: ask anew for everybody who holds it.

    Comes before the updates of the commit that changed it; none of them is shown to anybody before his verdict.
    """

    key: str
    """A store key, or a store's name alone: then all its keys are meant."""


class Lead(Message, frozen=True):
    """A multiplexer has taken the lead of ``term``: fronts renew at once, so that it learns what they hold."""

    term: int


class Renewed(Message, frozen=True):
    """A renewal arrived."""

    term: int
    newer: list[Held] = msgspec.field(default_factory=list)
    """Those of its stores that stand elsewhere in the database, and where. What brings them there may be on its way."""


class Kick(Message, frozen=True):
    """An actor's connections are to be closed (docs/protocol.md §6, 4004)."""

    actor: str
    reason: str


class Drain(Message, frozen=True):
    """A front is to send this share of its clients to the others; with all of them gone it ends."""

    share: float
    """Above 0, and at most 1."""


class WhoIs(Message, frozen=True):
    """A front is to tell what connections of an actor it has: :class:`Present` to who asks."""

    actor: str
    asker: str
    """As whose own stream it is to be told."""


class Connected(Message, frozen=True):
    """One WebSocket or stream of an actor."""

    client: str
    """The client's own id."""
    over: str
    """``websocket`` or ``events``."""
    address: str
    """Where it comes from; empty for this machine's own."""
    seconds: float
    """How long it has been there."""
    stores: int
    """How many it subscribes to."""
    blocked: bool
    """Whether it does not read fast enough just now."""


class Present(Message, frozen=True):
    """The connections of an actor on one front."""

    front: str
    connections: list[Connected]


MultiplexerMessage = (
    Outcome | Opened | Denied | Snapshot | Gone | Commit | Recheck | Lead | Renewed | Kick | Drain | WhoIs | Present
)
"""What a front reads: what the multiplexer says to it, and commands do."""
