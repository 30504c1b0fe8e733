"""The gauges of the dead letters that no document can settle: their number, and the age of the oldest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import aio_pika
import pytest
from pydantic import SecretStr

from shared.broker.connection import Broker
from shared.broker.letters import reading
from shared.broker.topology import UNREADABLE
from shared.broker.waiting_letters import WaitingLetters
from shared.clock import system_clock
from shared.metrics import DEAD_LETTER_OLDEST_SECONDS, DEAD_LETTERS
from tests.amqp import running_broker, until
from tests.letters import QUEUES, Pile, letter, new_pile


@pytest.fixture
async def broker(broker_url: str) -> AsyncIterator[Broker]:
    async with running_broker(broker_url, QUEUES) as broker:
        yield broker


@pytest.fixture
async def pile(broker_url: str, broker: Broker) -> AsyncIterator[Pile]:
    async with await aio_pika.connect(broker_url) as connection:
        yield await new_pile(connection)


@pytest.fixture
async def waiting(broker: Broker) -> AsyncIterator[WaitingLetters]:
    waiting = WaitingLetters(UNREADABLE, broker=broker)
    task = asyncio.create_task(waiting.run())
    yield waiting
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def put(pile: Pile, *hours_ago: float) -> None:
    """Letters that were given up so long ago."""
    now = system_clock()
    letters = [letter(UNREADABLE, id=f"l{hours:g}", failed_at=now - timedelta(hours=hours)) for hours in hours_ago]
    await pile.put(UNREADABLE.dead_letters, letters)


def gauges() -> tuple[float, int]:
    """How many wait, and for how many hours the oldest."""
    count, age = (each.labels(UNREADABLE.name)._value.get() for each in (DEAD_LETTERS, DEAD_LETTER_OLDEST_SECONDS))
    return count, round(age / 3600)


async def shown(waiting: WaitingLetters, count: float, hours: int) -> None:
    """Scrape until the gauges say so."""

    async def says() -> bool:
        await waiting.refresh()
        return gauges() == (count, hours)

    await until(says)


async def test_the_oldest_letter_tells_its_age(pile: Pile, waiting: WaitingLetters) -> None:
    await shown(waiting, 0, 0)

    await put(pile, 2, 30, 5)

    await shown(waiting, 3, 30)


async def test_the_letters_stay_as_they_are(pile: Pile, waiting: WaitingLetters) -> None:
    await put(pile, 3, 2, 1)
    await shown(waiting, 3, 3)

    assert sorted(str(each) for each in await pile.ids(UNREADABLE.dead_letters)) == ["l1", "l2", "l3"]


async def test_after_a_replay_the_age_is_that_of_the_oldest_that_is_left(pile: Pile, waiting: WaitingLetters) -> None:
    await put(pile, 30)
    await shown(waiting, 1, 30)

    assert await pile.ids(UNREADABLE.dead_letters) == ["l30"]
    await shown(waiting, 0, 0)
    await put(pile, 7)
    await shown(waiting, 1, 7)


async def test_when_one_went_and_two_came_between_two_looks_the_age_is_not_that_of_the_one_that_went(
    pile: Pile, waiting: WaitingLetters
) -> None:
    await put(pile, 30)
    await shown(waiting, 1, 30)

    assert await pile.ids(UNREADABLE.dead_letters) == ["l30"]
    await put(pile, 5, 7)
    await pile.until_there_are(UNREADABLE.dead_letters, 2)  # it is not seen without any

    await shown(waiting, 2, 7)


async def test_of_a_long_queue_the_oldest_is_kept_in_mind_while_it_grows(pile: Pile, waiting: WaitingLetters) -> None:
    await put(pile, 50, *(number / 60 for number in range(120)))
    await shown(waiting, 121, 50)

    await put(pile, 40)
    await shown(waiting, 122, 50)


async def test_while_somebody_reads_the_last_age_stands_and_later_it_is_looked_at(
    broker_url: str, pile: Pile, waiting: WaitingLetters
) -> None:
    await put(pile, 3)
    await shown(waiting, 1, 3)

    async with reading(SecretStr(broker_url), UNREADABLE):
        await put(pile, 9)
        await shown(waiting, 2, 3)
    await shown(waiting, 2, 9)
