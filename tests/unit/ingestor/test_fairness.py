import asyncio
from contextlib import AsyncExitStack

import pytest

from ingestor.fairness import FairShare
from shared.errors import Postponed

SLOW, OTHER = "200300400500600", "200300400500601"


class Time:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_number_whose_places_do_not_change_hands_is_sent_away_at_once() -> None:
    time = Time()
    share = FairShare(places=2, patience_seconds=5, monotonic=time)

    async with share.of(SLOW), share.of(SLOW):
        time.now += 5
        with pytest.raises(Postponed):
            async with share.of(SLOW):
                pass
        async with share.of(OTHER):
            pass


async def test_who_waits_gets_the_next_place_that_is_given_back() -> None:
    share = FairShare(places=1, patience_seconds=60, monotonic=Time())
    order = []

    async def hold(name: str) -> None:
        async with share.of(SLOW):
            order.append(name)

    async with AsyncExitStack() as holder:
        await holder.enter_async_context(share.of(SLOW))
        waiting = asyncio.create_task(hold("second"))
        await asyncio.sleep(0)
        order.append("first")
    await waiting

    assert order == ["first", "second"]


async def test_places_that_have_just_been_taken_are_not_slow() -> None:
    time = Time()
    share = FairShare(places=2, patience_seconds=5, monotonic=time)

    async with AsyncExitStack() as second:
        async with share.of(SLOW):
            time.now += 60
            await second.enter_async_context(share.of(SLOW))
            third = asyncio.create_task(second.enter_async_context(share.of(SLOW)))
            await asyncio.sleep(0)
        await third


async def test_a_failed_download_gives_its_place_back() -> None:
    share = FairShare(places=1)

    for _ in range(3):
        with pytest.raises(RuntimeError, match="reset"):
            async with share.of(SLOW):
                raise RuntimeError("reset")
