"""What each thing costs each process, as it was measured: ``units.json``, made from figures of ``bench plan``."""

from pathlib import Path
from typing import Annotated

import msgspec

Seconds = Annotated[float, msgspec.Meta(description="s")]
"""Of processor time, unless it is said otherwise."""
Bytes = Annotated[float, msgspec.Meta(description="bytes")]
Number = Annotated[float, msgspec.Meta(description="")]

FILE = Path(__file__).parent / "units.json"


class Front(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One front."""

    second: Seconds
    """A second of being there."""
    client: Seconds
    """A second of holding a client that is quiet."""
    action: Seconds
    """An action, from its frame to its outcome."""
    read: Seconds
    """A read of the update bus by one that slept; a busy one pays for the part of the time in which it does."""
    update: Seconds
    """An update that was taken, whoever gets it."""
    write: Seconds
    """A write to a client, while there are ``write_clients``."""
    write_clients: Number
    write_growth: Number
    """By which power of the number of clients a write becomes dearer."""
    byte: Seconds
    """A byte written."""
    session: Seconds
    """A client that comes: upgrade, token, subscription, snapshot."""
    private: Seconds
    """A private store of a client that comes."""
    memory: Bytes
    client_memory: Bytes
    private_memory: Bytes


class Multiplexer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The multiplexer that leads."""

    second: Seconds
    batch: Seconds
    """A batch of actions, whatever is in it, by one that slept; a busy one pays as a front does for reads."""
    action: Seconds
    update: Seconds
    """A store that a batch changed."""
    entry: Seconds
    """A front that is told outcomes of a batch."""
    private: Seconds
    """A private store that is opened and rendered."""
    memory: Bytes


class Postgres(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The database."""

    second: Seconds
    batch: Seconds
    action: Seconds
    update: Seconds
    """A store that a batch changed."""
    private: Seconds
    """A private store that is opened and rendered."""
    batch_seconds: Seconds
    """How long a batch keeps the one connection by the clock, its commit included, beside the time that its actions and
    updates take."""
    memory: Bytes
    wal: Bytes
    """Bytes of write-ahead log an action, beside its text."""
    log: Bytes
    """Bytes of action log an action, beside its text, with indexes."""
    table: Bytes
    """Bytes of the application's own table and indexes an action, beside its text."""
    texts: Number
    """How many times its text is written to the write-ahead log."""
    batch_wal: Bytes
    """Bytes of write-ahead log a batch, whatever is in it."""


class Redis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Redis, or Valkey."""

    second: Seconds
    command: Seconds
    """A command for one that slept; a busy one pays as a front does for reads."""
    byte: Seconds
    """A byte that it gets or gives."""
    front_commands: Number
    """Commands a second that a front brings with it, whatever happens."""
    action_in: Bytes
    """Bytes that an action brings, beside twice its text: in its parcel, its update and its outcome."""
    batch_in: Bytes
    """Bytes that a batch brings, whatever is in it."""
    action_out: Bytes
    """Bytes of an action that one reader gets, beside its text: its parcel and its outcome."""
    entry_out: Bytes
    """Bytes of a batch that every front gets, beside its updates."""
    private_memory: Bytes
    """A private store that is held, in the registry."""
    memory: Bytes


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What travels to clients."""

    update: Bytes
    """Bytes of an update, beside its messages."""
    message: Bytes
    """Bytes of a message in an update, beside its text; its eviction from the window included."""
    outcome: Bytes
    """Bytes of the outcome of an action."""
    snapshot: Bytes
    """Bytes of a room's snapshot, beside its texts."""


class Haproxy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """HAProxy."""

    write: Seconds
    """A write that is passed on."""
    session: Seconds
    client_memory: Bytes


class Units(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, and where they come from."""

    measured: str
    """When, in UTC."""
    machine: str
    """On what."""
    front: Front
    multiplexer: Multiplexer
    postgres: Postgres
    redis: Redis
    wire: Wire
    haproxy: Haproxy


def read(path: Path = FILE) -> Units:
    """Read measured units.

    Args:
        path: Where they are.

    Raises:
        OSError: They cannot be read.
        msgspec.ValidationError: They are not what is expected.

    """
    return msgspec.json.decode(path.read_bytes(), type=Units)


def encode(units: Units) -> bytes:
    """Units as they are kept, a line each."""
    return msgspec.json.format(msgspec.json.encode(units), indent=2) + b"\n"
