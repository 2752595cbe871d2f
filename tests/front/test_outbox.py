"""The law of the outbox: each client gets what was meant for it, in order and in one write."""

from hypothesis import given, settings
from hypothesis import strategies as st

from front.clients import Client, frames_of
from front.gates import Identity
from front.outbox import Crowd, Outbox

from .wire import Letterbox

CLIENTS, CROWDS = 6, 4
clients = st.integers(0, CLIENTS - 1)
crowds = st.integers(0, CROWDS - 1)
steps = st.one_of(
    st.tuples(st.just("send"), clients),
    st.tuples(st.just("hand out"), st.sets(clients)),
    st.tuples(st.just("spread"), crowds),
    st.tuples(st.just("spread"), crowds),
    st.tuples(st.just("join"), clients, crowds),
    st.tuples(st.just("leave"), clients, crowds),
    st.tuples(st.just("take")),
)


def client(number: int) -> Client:
    return Client(number, Identity("ada", "{}"), "c", {}, None, Letterbox(), 15 if number % 3 else 0)


def taken(outbox: Outbox) -> list[tuple[object, int, bytes]]:
    """Whom the writes of a tick go to, the window bits they are for, and what they are."""
    return [(wire, window, b"".join(frames_of(rope))) for rope, window, wires in outbox.take() for wire in list(wires)]


@settings(max_examples=max(500, settings().max_examples))
@given(st.lists(steps, max_size=30))
def test_each_gets_its_own(history: list[tuple[object, ...]]) -> None:  # noqa: C901 - one case a step
    """Whoever joins and leaves meanwhile, and whichever crowd is the largest."""
    outbox, everybody = Outbox(), [client(number) for number in range(CLIENTS)]
    groups = [Crowd() for _ in range(CROWDS)]
    for group, members in zip(groups, (everybody, everybody[:3], everybody[2:4], everybody[4:]), strict=True):
        for one in members:
            group.add(one)
    meant: dict[Client, bytes] = {}

    def mean(whom: list[Client], data: bytes) -> None:
        for one in whom:
            meant[one] = meant.get(one, b"") + data

    for number, step in enumerate([*history, ("take",)]):
        data = b"%d;" % number
        match step:
            case "send", int(who):
                outbox.send(everybody[who], data)
                mean([everybody[who]], data)
            case "hand out", set(whom):
                those = [everybody[who] for who in whom]
                outbox.hand_out(those, data)
                mean(those, data)
            case "spread", int(which):
                mean(list(groups[which]), data)
                outbox.spread(groups[which], data)
            case "join", int(who), int(which):
                if everybody[who] not in groups[which]:
                    groups[which].add(everybody[who])
                    outbox.excuse(everybody[who], groups[which])
            case "leave", int(who), int(which):
                if everybody[who] in groups[which]:
                    outbox.set_apart(everybody[who])
                    groups[which].discard(everybody[who])
            case _:
                writes = taken(outbox)
                assert len({id(wire) for wire, _, _ in writes}) == len(writes), "one write each"
                expected = {(one.wire, one.window, told) for one, told in meant.items()}
                assert set(writes) == expected
                meant.clear()
                assert all(one.outgoing is None for one in everybody)


def test_a_crowd_is_not_looked_at() -> None:
    """What a crowd gets is kept once: no client of it is touched, and those apart from it share what they get."""
    outbox, crowd, few = Outbox(), Crowd(), Crowd()
    everybody = [client(3 * number) for number in range(9)]
    for one in everybody:
        crowd.add(one)
    for one in everybody[:2]:
        few.add(one)
    outbox.spread(crowd, b"a")
    outbox.spread(few, b"b")
    outbox.spread(crowd, b"c")
    assert [one.outgoing is not None for one in everybody] == [True] * 2 + [False] * 7
    ropes = [rope for rope, _, _ in outbox.take()]
    assert [b"".join(frames_of(rope)) for rope in ropes] == [b"ac", b"abc", b"abc"]


def test_crowds_that_have_nobody_in_common_are_all_kept() -> None:
    """One a room, as of a chat: no client of any is touched but for who gets something else."""
    outbox, rooms = Outbox(), [Crowd() for _ in range(3)]
    everybody = [client(3 * number) for number in range(9)]
    for number, one in enumerate(everybody):
        rooms[number % 3].add(one)
    for number in (0, 1, 2, 1):
        outbox.spread(rooms[number], b"%d" % number)
    outbox.send(everybody[0], b"!")
    assert [one.outgoing is not None for one in everybody] == [True] + [False] * 8
    writes = list(outbox.take())
    assert [(b"".join(frames_of(rope)), len(wires)) for rope, _, wires in writes] == [
        (b"0", 2),
        (b"11", 3),
        (b"2", 3),
        (b"0!", 1),
    ]


def test_who_is_excused_and_leaves_gets_what_the_next_crowd_gets() -> None:
    """It was apart without anything of its own to be sent."""
    outbox, first, second = Outbox(), Crowd(), Crowd()
    one, other, third = (client(3 * number) for number in range(3))
    first.add(other)
    outbox.spread(first, b"a")
    first.add(one)
    outbox.excuse(one, first)
    outbox.set_apart(one)
    first.discard(one)
    second.add(one)
    second.add(third)
    outbox.spread(second, b"b")
    assert sorted(data for _, _, data in taken(outbox)) == [b"a", b"b", b"b"]


def test_a_larger_crowd_takes_the_place() -> None:
    """Whoever moves later: the work of a tick is that of its smaller crowds."""
    outbox, large, small = Outbox(), Crowd(), Crowd()
    everybody = [client(3 * number) for number in range(9)]
    for one in everybody:
        large.add(one)
    small.add(everybody[0])
    outbox.spread(small, b"a")
    outbox.spread(large, b"b")
    assert [one.outgoing is not None for one in everybody] == [True] + [False] * 8
    assert sorted(data for _, _, data in taken(outbox)) == [b"ab"] + [b"b"] * 8
