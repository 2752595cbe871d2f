"""Every kind of violation, planted into a cluster on which nothing else happens; prints what the checker says of it.

python -m tests.adversity.planted
"""

import asyncio
import json
from collections.abc import Mapping, Sequence

import msgspec

from fluxwire.chaos.chains import Chains
from fluxwire.chaos.cluster import Cluster, arguments
from fluxwire.chaos.drill import Drill, Plan
from fluxwire.chaos.load import Witness
from fluxwire.client import Dispatched
from fluxwire.client.frames import Outcome
from fluxwire.stack.up import serve
from tests.services import scratch_folder


class OnFrames(Witness):
    """Does something to one update among those it is told, before anybody looks."""

    WHEN = 30

    def __init__(self, urls: Sequence[str], token: str, chains: Chains) -> None:
        super().__init__(urls, token, chains)
        self._updates = 0
        self._kept: str | bytes | None = None

    def _hear(self, message: str | bytes) -> None:
        self._updates += msgspec.json.decode(message)["type"] == "update"
        if self._updates == self.WHEN:
            self._updates += 1
            self._plant(message)
        elif self._kept is not None:
            kept, self._kept = self._kept, None
            super()._hear(message)
            super()._hear(kept)
        else:
            super()._hear(message)

    def _plant(self, message: str | bytes) -> None:
        raise NotImplementedError


class Drops(OnFrames):
    """Loses it."""

    def _plant(self, message: str | bytes) -> None:
        pass


class Doubles(OnFrames):
    """Is told of it twice."""

    def _plant(self, message: str | bytes) -> None:
        Witness._hear(self, message)
        Witness._hear(self, message)


class Reorders(OnFrames):
    """Is told of it after the next frame."""

    def _plant(self, message: str | bytes) -> None:
        self._kept = message


class Alters(OnFrames):
    """Holds something else afterwards, and does not know."""

    def _plant(self, message: str | bytes) -> None:
        Witness._hear(self, message)
        for replica in self._session._replicas.values():
            if isinstance(replica.document, dict):
                replica.document["planted"] = True


class OnActions(Witness):
    """Does something to one of the messages it posts."""

    WHEN = 10

    def __init__(self, urls: Sequence[str], token: str, chains: Chains) -> None:
        super().__init__(urls, token, chains)
        self._posts = 0

    def dispatch(self, name: str, params: Mapping[str, object] | None = None) -> Dispatched:
        self._posts += name == "post_message"
        if self._posts == self.WHEN and name == "post_message":
            return self._plant(params or {})
        return super().dispatch(name, params)

    def _plant(self, params: Mapping[str, object]) -> Dispatched:
        raise NotImplementedError


def acknowledged(params: Mapping[str, object], row: str) -> Dispatched:
    """An action that was never sent, and has its outcome nevertheless."""
    action = Dispatched("post_message", params)
    action.settle(Outcome(number=0, status="ok", reply={"id": row}), 0.0)
    return action


NO_ROW = "00000000-0000-4000-8000-000000000000"


class Loses(OnActions):
    """Is told that it was committed, though it was never sent."""

    def _plant(self, params: Mapping[str, object]) -> Dispatched:
        return acknowledged(params, NO_ROW)


class Repeats(OnActions):
    """Sends it a second time under another number."""

    def _plant(self, params: Mapping[str, object]) -> Dispatched:
        super().dispatch("post_message", params)
        return super().dispatch("post_message", params)


class Swaps(OnActions):
    """Sends it after the next one."""

    def __init__(self, urls: Sequence[str], token: str, chains: Chains) -> None:
        super().__init__(urls, token, chains)
        self._held: tuple[Dispatched, Mapping[str, object]] | None = None
        self._passing: asyncio.Task[None] | None = None

    def dispatch(self, name: str, params: Mapping[str, object] | None = None) -> Dispatched:
        held, self._held = self._held, None
        dispatched = super().dispatch(name, params)
        if held is not None:
            late, late_params = held
            self._passing = asyncio.create_task(self._pass(super().dispatch("post_message", late_params), late))
        return dispatched

    def _plant(self, params: Mapping[str, object]) -> Dispatched:
        action = Dispatched("post_message", params)
        self._held = action, params
        return action

    @staticmethod
    async def _pass(dispatched: Dispatched, to: Dispatched) -> None:
        to.settle(Outcome(number=0, status="ok", reply=await dispatched), 0.0)


class Hurries(OnActions):
    """Is told that it was committed before it was sent."""

    def _plant(self, params: Mapping[str, object]) -> Dispatched:
        super().dispatch("post_message", params)
        return acknowledged(params, NO_ROW)


PLANTS: tuple[type[Witness], ...] = (Witness, Drops, Doubles, Reorders, Alters, Loses, Repeats, Swaps, Hurries)


class Sabotaged(Cluster):
    """A cluster on which each kind is planted, one after the other."""

    def watch(self) -> None:
        self.loop.run(self._drill(), self.supervisor.watch)

    async def _drill(self) -> None:
        for seed, kind in enumerate(PLANTS):
            quiet = Plan(seconds=0.0, seed=seed, rooms=2, writers=3, watchers=2)
            report = await Drill(self, quiet, kind).run()
            print(json.dumps({"plant": kind.__name__, **report.figures()["violations"]}))


if __name__ == "__main__":
    with scratch_folder() as folder:
        serve(arguments(folder / "data"), Sabotaged)
