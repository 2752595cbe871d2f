"""Errors of the buses.

- BusError
    - BusLost: the bus cannot be reached, or was, and the call may or may not have taken effect
    - BusFull: the action bus holds as much as it may, and the call had no effect
    - BadMessage: bytes on the bus that are no message of ours
    - BadAddress: text that is no address of a bus
"""


class BusError(Exception):
    """Base of all errors of the buses."""


class BusLost(BusError):
    """The bus cannot be reached now; what was under way may or may not have taken effect."""


class BusFull(BusError):
    """The action bus holds as much as it may; the call had no effect and may be made again after a moment."""


class BadMessage(BusError):
    """Bytes on the bus that are no message of ours."""


class BadAddress(BusError):
    """Text that is no address of a bus."""
