import asyncio

import pytest

from shared.single_flight import SingleFlight


async def test_work_on_one_key_is_done_one_at_a_time_and_in_order() -> None:
    flights = SingleFlight()
    told: list[str] = []

    async def work(name: str) -> None:
        async with flights.of("key"):
            told.append(f"{name} begins")
            await asyncio.sleep(0)
            told.append(f"{name} ends")

    await asyncio.gather(work("a"), work("b"), work("c"))

    assert told == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


async def test_other_keys_are_not_kept_waiting() -> None:
    flights = SingleFlight()

    async with asyncio.timeout(5), flights.of("one"), flights.of("another"):
        pass


async def test_a_failure_lets_the_next_one_in() -> None:
    flights = SingleFlight()

    with pytest.raises(ValueError, match="failed"):
        async with flights.of("key"):
            raise ValueError("failed")

    async with asyncio.timeout(5), flights.of("key"):
        pass


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    flights = SingleFlight()
    entered = asyncio.Event()
    leave = asyncio.Event()

    async def holder() -> None:
        async with flights.of("key"):
            entered.set()
            await leave.wait()

    async def waiter() -> None:
        async with flights.of("key"):
            pass

    holding = asyncio.create_task(holder())
    await entered.wait()
    waiting = asyncio.create_task(waiter())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    leave.set()
    await holding

    async with asyncio.timeout(5), flights.of("key"):
        pass
    assert flights._locks == {}
