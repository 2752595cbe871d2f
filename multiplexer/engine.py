"""The engine's calls as Python has them: what goes into them, what comes back, and the session they need.

Each type is one of ``sql/migrations`` or the row of one function in ``sql/functions``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

ENGINE = 1
"""The version of the calls to the engine that are made here; see sql/functions/engine.sql."""
SESSION = {
    "search_path": '""',
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}
"""What every session of the engine is set to, and what ``flux.put_back`` goes back to."""
DISPATCH = "select * from flux.dispatch($1, $2, $3)"
"""Takes the term, each action as :class:`Sent`, and how many bytes a patch may have; answers with one row.

Its ``outcomes`` are like :class:`Result`, its ``notices`` like :class:`Patch`.
"""


class Sent(NamedTuple):
    """An action as ``flux.dispatch`` takes it, the type ``flux.sent``; ``claims`` and ``params`` are JSON text."""

    actor: str
    claims: str
    client: str
    lane: int
    number: int
    name: str
    params: str
    refusal: str | None
    """A code to refuse it with instead of running it."""
    at: datetime | None = None
    """The time, the seed and where the sequences stood (JSON text): of an action that is replayed."""
    seed: str | None = None
    positions: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What ``flux.dispatch`` says of one action; ``reply`` and ``stores`` are JSON text."""

    status: str
    reply: str | None
    code: str | None
    message: str | None
    constraint: str | None
    column: str | None
    stores: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A store as it is; ``document`` is JSON text."""

    key: str
    epoch: str
    base: int
    """How often all stores had been touched at once."""
    version: int
    document: str


Part = tuple[int, bool]
"""A transaction, and which of its patches: those a doorbell rings for, or those that came with a batch's outcomes."""


@dataclass(frozen=True, slots=True)
class Patch:
    """How a commit changed a store; without ``ops`` (JSON text) it has to be rendered.

    With ``recheck`` the store did not change, but who may read it may have; ``key`` is then a key or a name alone.
    With ``kick`` no store did: ``key`` is an actor, and it says why his connections end.
    Without a ``key`` all stores moved, and ``to_version`` is the base of their versions now.
    """

    tx: int
    key: str
    epoch: str
    from_version: int
    to_version: int
    ops: str | None
    recheck: bool = False
    kick: str | None = None
    rings: bool = True
    """Whether a doorbell rings for it; without, it came with the outcomes of its batch."""

    @property
    def is_change(self) -> bool:
        """Whether it says that a store has moved, or all have."""
        return not self.recheck and self.kick is None


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What a batch led to: the results in its order, and what fronts are to be told.

    Its own patches build upon what others have committed, which is told first.
    """

    results: Sequence[Result]
    others: Sequence[Part]
    patches: Sequence[Patch]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The key of a store, or the code and message of why an actor may not open it."""

    key: str | None
    shared: bool
    code: str | None
    message: str | None
