"""Doorbells, which anybody can ring."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from multiplexer.commits import MOST_COMMITS, Commits
from multiplexer.engine import Part, Patch


async def test_doorbells_are_answered_in_order_and_once() -> None:
    """Transactions come in the order they rang, each once, in bounded helpings."""
    commits = Commits()
    for transaction in [3, 1, 3, *range(100, 100 + MOST_COMMITS)]:
        commits.ring(str(transaction))
    await commits.wait()
    first, second = list(commits.take()), list(commits.take())
    assert first[:3] == [(3, True), (1, True), (100, True)]
    assert len(first) == MOST_COMMITS
    assert second == [(98 + MOST_COMMITS, True), (99 + MOST_COMMITS, True)]


async def test_what_came_with_its_outcomes_and_what_rang() -> None:
    """One transaction can have both, each is told once; and heard of again only when it was forgotten."""
    commits = Commits(clock=lambda: 5.0)
    brought = Patch(7, "a{}", "e", 1, 2, "[]", rings=False)
    rang = Patch(6, "a{}", "e", 0, 1, "[]")
    commits.ring("7")
    commits.bring([rang, brought])
    heard = commits.take()
    assert {part: one.patches for part, one in heard.items()} == {
        (7, True): None,
        (6, True): [rang],
        (7, False): [brought],
    }
    assert {one.at for one in heard.values()} == {5.0}
    commits.ring("6")
    commits.bring([brought])
    await commits.wait(0)
    assert commits.take() == {}
    commits.finish(heard)
    assert commits.take_told() == list(heard)
    commits.forget(heard)
    commits.ring("6")
    assert list(commits.take()) == [(6, True)]


async def test_what_is_told_at_once_overtakes_nothing() -> None:
    """A batch's own patches are told past those that wait only if none do, and what they build upon has been taken."""
    commits = Commits()
    others = [(6, True)]
    assert not commits.are_behind(others)
    commits.ring("6")
    assert not commits.are_behind([])
    async with commits.telling:
        commits.finish(commits.take())
        assert not commits.are_behind(others)
    assert commits.are_behind(others)
    assert list(commits.take_brought([Patch(7, "a{}", "e", 1, 2, "[]", rings=False)])) == [(7, False)]
    assert commits.take() == {}
    commits.forget(commits.take_told())
    assert not commits.are_behind(others)


@given(st.text())
def test_a_joke_rings_nothing(payload: str) -> None:
    """Any role can notify anything; what names no transaction is passed over."""

    async def ring() -> list[Part]:
        commits = Commits()
        commits.ring(payload)
        commits.ring("7")
        async with asyncio.timeout(5):
            await commits.wait()
        return list(commits.take())

    rung = asyncio.run(ring())
    assert rung[-1] == (7, True)
    assert all(0 <= transaction < 10**18 for transaction, _ in rung)
