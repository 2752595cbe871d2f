"""The law of the front, whatever is delayed, lost or blocked: what a client holds is an unbroken chain to the truth."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from .world import Simulated, World

names = st.sampled_from(["a", "b", "c"])
clients = Bundle("clients")


class Front(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(target=clients, actor=st.sampled_from(["ada", "bob"]))
    def connect(self, actor: str) -> Simulated:
        return self.world.connect(actor)

    @rule(client=clients, name=names, resume=st.booleans())
    def subscribe(self, client: Simulated, name: str, resume: bool) -> None:
        self.world.subscribe(client, name, resume=resume)

    @rule(client=clients, which=st.integers(0, 3))
    def unsubscribe(self, client: Simulated, which: int) -> None:
        if client.keys:
            self.world.unsubscribe(client, list(client.keys)[which % len(client.keys)])

    @rule(client=consumes(clients))
    def close(self, client: Simulated) -> None:
        self.world.close(client)

    @rule(client=clients, touched=st.lists(names, max_size=3))
    def dispatch(self, client: Simulated, touched: list[str]) -> None:
        self.world.dispatch(client, *touched)

    @rule(client=clients)
    def block(self, client: Simulated) -> None:
        self.world.hub.blocked(client.client)

    @rule(client=clients)
    def drain(self, client: Simulated) -> None:
        if client.client.blocked:
            self.world.hub.drained(client.client, self.world.now)
            self.world.flush()

    @rule(ticking=st.booleans())
    def tick(self, ticking: bool) -> None:
        """Let writes gather, or go."""
        self.world.ticking = ticking
        self.world.flush()

    @rule(touched=st.lists(names, min_size=1, max_size=3), step=st.integers(1, 3))
    def commit(self, touched: list[str], step: int) -> None:
        self.world.commit(*touched, step=step)

    @rule()
    def begin_epoch(self) -> None:
        self.world.begin_epoch()

    @rule()
    def carry(self) -> None:
        self.world.carry()

    @rule(most=st.integers(1, 5))
    def hear_own(self, most: int) -> None:
        self.world.hear(self.world.own, most)

    @rule(most=st.integers(1, 5))
    def hear_shared(self, most: int) -> None:
        self.world.hear(self.world.shared, most)

    @rule()
    def talk(self) -> None:
        self.world.talk()

    @rule()
    def lose_parcels(self) -> None:
        self.world.lose_parcels()

    @rule(own=st.booleans())
    def lose_a_message(self, own: bool) -> None:
        stream = self.world.own if own else self.world.shared
        if stream:
            stream.popleft()

    @rule()
    def bus_lost(self) -> None:
        self.world.hub.bus_lost()

    @rule()
    def bus_returned(self) -> None:
        self.world.hub.bus_returned(self.world.now)

    @rule(seconds=st.sampled_from([0.25, 3.0, 40.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @invariant()
    def announcements_are_kept(self) -> None:
        """§5: after each tick no announced update is outstanding."""
        assert all(client._announced == 0 for client in self.world.clients)

    def teardown(self) -> None:
        world = self.world
        world.settle()
        for client in world.clients:
            assert "" not in client.keys.values(), "every subscription is answered"
            for key in client.keys.values():
                document = client.documents[key]
                assert (document.epoch, document.version) == (world.truth.epoch, world.truth.versions.get(key, 0))
            assert not client._resumes
            numbers = [outcome["number"] for outcome in client.outcomes if outcome["status"] == "ok"]
            # An outcome that was lost comes later than those after it.
            assert sorted(numbers) == list(range(1, client.sent + 1)), "each action has its outcome, once"


TestFront = Front.TestCase
TestFront.settings = settings(max_examples=max(200, settings().max_examples), stateful_step_count=40)
