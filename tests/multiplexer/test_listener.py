"""Doorbells, which anybody can ring."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from multiplexer.listener import MAX_BELLS, Doorbells


async def test_doorbells_are_answered_in_order_and_once() -> None:
    """Transactions come in the order they rang, each once, in bounded helpings."""
    doorbells = Doorbells()
    for transaction in [3, 1, 3, *range(100, 100 + MAX_BELLS)]:
        doorbells.ring(str(transaction))
    first, second = list(await doorbells.wait()), list(await doorbells.wait())
    assert first[:3] == [3, 1, 100]
    assert len(first) == MAX_BELLS
    assert second == [98 + MAX_BELLS, 99 + MAX_BELLS]


@given(st.text())
def test_a_joke_rings_nothing(payload: str) -> None:
    """Any role can notify anything; what names no transaction is passed over."""

    async def ring() -> list[int]:
        doorbells = Doorbells()
        doorbells.ring(payload)
        doorbells.ring("7")
        async with asyncio.timeout(5):
            return list(await doorbells.wait())

    rung = asyncio.run(ring())
    assert rung[-1] == 7
    assert all(0 <= transaction < 10**18 for transaction in rung)
