"""Reading a dead-letter queue: few in hand, none lost, none doubled, one reader at a time."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import aiohttp
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pydantic import SecretStr

from shared.broker.letter import Key, Letter
from shared.broker.letters import (
    MOST_IN_HAND,
    BeingRead,
    LetterReader,
    Move,
    NoSuchLetters,
    ReadingFailed,
    Verdict,
    reading,
    reading_aside,
)
from shared.broker.topology import INGEST, UNREADABLE
from tests.amqp import Link, until
from tests.infrastructure import TestServers
from tests.letters import Pile, letter, letters, new_pile

HOME = UNREADABLE.dead_letters
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def pile(broker_url: str) -> AsyncIterator[Pile]:
    async with await aio_pika.connect(broker_url) as connection:
        yield await new_pile(connection)


def headers_of(message: AbstractIncomingMessage) -> dict[str, Any]:
    """Without RabbitMQ's own count."""
    return {name: value for name, value in message.headers.items() if name != "x-delivery-count"}


async def looked_at(reader: LetterReader) -> list[str]:
    """The ids that a walk which keeps everything shows."""
    seen: list[str] = []

    async def look(few: Sequence[Letter]) -> Sequence[Verdict]:
        seen.extend(each.id for each in few)
        return [Verdict.KEEP] * len(few)

    await reader.walk(look)
    return seen


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 260])
async def test_every_letter_is_seen_once_and_the_order_is_kept_after_a_walk(
    broker_url: str, pile: Pile, count: int
) -> None:
    ids = [str(number) for number in range(count)]
    await pile.put(HOME, letters(UNREADABLE, count))

    for _ in range(3):
        async with reading(SecretStr(broker_url), UNREADABLE) as reader:
            assert await looked_at(reader) == ids
            assert await looked_at(reader) == ids, "a second walk of the same reader"

    await pile.until_there_are(HOME, count)
    assert await pile.ids(HOME) == ids


async def test_a_letter_that_was_looked_at_fifty_times_is_as_it_was(broker_url: str, pile: Pile) -> None:
    original = letter(UNREADABLE, id="one", body=b"raw \xff body")
    await pile.put(HOME, [original])

    for _ in range(50):
        async with reading(SecretStr(broker_url), UNREADABLE) as reader:
            assert await looked_at(reader) == ["one"]

    await pile.until_there_are(HOME, 1)
    (left,) = await pile.drained(HOME)
    assert left.body == original.body
    assert headers_of(left) == original.headers


async def test_a_thousand_letters_are_counted_with_never_more_than_a_hundred_in_hand(
    broker_url: str, pile: Pile
) -> None:
    await pile.put(HOME, letters(UNREADABLE, 1000))
    seen, in_hand = 0, 0

    async def look(few: Sequence[Letter]) -> Sequence[Verdict]:
        nonlocal seen, in_hand
        seen += len(few)
        # RabbitMQ's own number: of a thousand, what does not wait is in our hand
        in_hand = max(in_hand, 1000 - await pile.count(HOME))
        return [Verdict.KEEP] * len(few)

    async with reading(SecretStr(broker_url), UNREADABLE) as reader:
        assert reader.total == 1000
        await reader.walk(look)

    assert seen == 1000
    assert 0 < in_hand <= MOST_IN_HAND
    await pile.until_there_are(HOME, 1000)


async def test_letters_of_megabytes_are_in_hand_only_a_few_at_a_time(broker_url: str, pile: Pile) -> None:
    body = b"x" * 4 * 1024**2
    await pile.put(HOME, [letter(UNREADABLE, id=str(number), body=body) for number in range(20)])
    most = 0

    async def look(few: Sequence[Letter]) -> Sequence[Verdict]:
        nonlocal most
        most = max(most, 20 - await pile.count(HOME))
        return [Verdict.KEEP] * len(few)

    async with reading(SecretStr(broker_url), UNREADABLE) as reader:
        await reader.walk(look)

    assert most == 8, "32 MiB"
    await pile.until_there_are(HOME, 20)


@pytest.mark.parametrize("count", [10, 250])
async def test_what_is_removed_is_gone_and_what_is_moved_is_there_with_its_id_and_the_rest_stays(
    broker_url: str, pile: Pile, count: int
) -> None:
    await pile.put(HOME, letters(UNREADABLE, count))

    async def decide(few: Sequence[Letter]) -> Sequence[Verdict | Move]:
        move = Move(to=UNREADABLE.name, headers={"x-attempt": 1})
        return [(Verdict.KEEP, Verdict.REMOVE, move)[int(each.id) % 3] for each in few]

    async with reading(SecretStr(broker_url), UNREADABLE) as reader:
        await reader.walk(decide)

    await pile.until_there_are(HOME, len(range(0, count, 3)))
    assert await pile.ids(HOME) == [str(number) for number in range(0, count, 3)]
    moved = await pile.drained(UNREADABLE.name)
    assert sorted(int(each.message_id or "") for each in moved) == list(range(2, count, 3))
    assert all(headers_of(each) == {"x-attempt": 1} and each.correlation_id for each in moved)


@pytest.mark.parametrize("count", [20, 250])
async def test_letters_that_come_during_a_walk_are_left_for_later(broker_url: str, pile: Pile, count: int) -> None:
    await pile.put(HOME, letters(UNREADABLE, count))
    seen: list[str] = []

    async def look(few: Sequence[Letter]) -> Sequence[Verdict]:
        await pile.put(HOME, letters(UNREADABLE, 3, first=10_000 + len(seen)))
        seen.extend(each.id for each in few)
        return [Verdict.REMOVE] * len(few)

    async with reading(SecretStr(broker_url), UNREADABLE) as reader:
        await reader.walk(look)

    assert seen == [str(number) for number in range(count)]
    await pile.until_there_are(HOME, 3 * -(-count // 25))


async def test_somebody_else_who_empties_the_queue_meanwhile_costs_no_letter_that_was_already_kept(
    broker_url: str, pile: Pile
) -> None:
    """The walk meets its own copies before it has seen as many letters as were counted."""
    await pile.put(HOME, letters(UNREADABLE, 300))
    seen: list[str] = []

    async def look(few: Sequence[Letter]) -> Sequence[Verdict]:
        if not seen:
            async with await aio_pika.connect(broker_url) as connection:
                other = await connection.channel()
                source = await other.get_queue(HOME)
                for _ in range(150):
                    await (await source.get()).ack()
        seen.extend(each.id for each in few)
        return [Verdict.KEEP] * len(few)

    async with reading(SecretStr(broker_url), UNREADABLE) as reader:
        await reader.walk(look)

    assert len(seen) == len(set(seen)) == 150
    await pile.until_there_are(HOME, 150)
    assert sorted(await pile.ids(HOME), key=str) == sorted(seen)


@pytest.mark.parametrize("count", [5, 250])
async def test_a_copy_that_a_killed_reader_left_behind_is_removed_when_it_is_seen(
    broker_url: str, pile: Pile, count: int
) -> None:
    """Killed between the confirm of the copy and the ack of the letter."""
    copies = letters(UNREADABLE, 3)
    for copy in copies:
        copy.headers["x-walk"] = "of the killed reader"
    await pile.put(HOME, [*letters(UNREADABLE, count), *copies])

    async with reading(SecretStr(broker_url), UNREADABLE) as reader:
        assert await looked_at(reader) == [str(number) for number in range(count)]

    await pile.until_there_are(HOME, count)


async def test_one_event_that_was_given_up_twice_is_two_letters(broker_url: str, pile: Pile) -> None:
    (first,), (second,) = letters(UNREADABLE, 1), letters(UNREADABLE, 1, first=5)
    second.message_id = first.message_id
    await pile.put(HOME, [first, second])

    async with reading(SecretStr(broker_url), UNREADABLE) as reader:
        assert await looked_at(reader) == ["0", "0"]


async def test_letters_that_have_nothing_but_their_id_in_common_are_two(broker_url: str, pile: Pile) -> None:
    """As messages are that somebody put there by hand."""
    await pile.put(HOME, [letter(UNREADABLE, id="one", body=body, headers={}) for body in (b"a", b"b")])

    async with reading(SecretStr(broker_url), UNREADABLE) as reader:
        assert await looked_at(reader) == ["one", "one"]


@pytest.mark.parametrize("count", [5, 150])
async def test_looking_removes_none_of_many_letters_that_are_alike(broker_url: str, pile: Pile, count: int) -> None:
    await pile.put(HOME, [letter(UNREADABLE, id="one", headers={}) for _ in range(count)])

    for _ in range(2):
        async with reading(SecretStr(broker_url), UNREADABLE) as reader:
            assert await looked_at(reader) == ["one"] * count
            assert await looked_at(reader) == ["one"] * count

    await pile.until_there_are(HOME, count)


@pytest.mark.parametrize("count", [5, 150])
async def test_looking_removes_none_of_many_letters_without_an_id(
    broker_url: str, servers: TestServers, pile: Pile, count: int
) -> None:
    """Also when readers end half-way, and some have a copy and others have none."""
    await put_without_id(broker_url, servers.rabbitmq_management_url, count)
    await pile.until_there_are(HOME, count)
    keys: list[set[Key]] = []

    for stop_after in (3, 2, None, None):
        stop, seen = asyncio.Event(), list[Letter]()

        async def look(few: Sequence[Letter]) -> Sequence[Verdict]:
            seen.extend(few)  # noqa: B023 - used up within the turn
            if stop_after is not None and len(seen) >= stop_after * 25:  # noqa: B023
                stop.set()  # noqa: B023
            return [Verdict.KEEP] * len(few)

        async with reading(SecretStr(broker_url), UNREADABLE) as reader:
            await reader.walk(look, stop=stop)
        await pile.until_there_are(HOME, count)
        keys.append({each.key for each in seen})

    assert len(keys[-1]) == count, "a replay can tell them apart"
    assert keys[-1] == keys[-2], "and finds those again that it has frozen"


async def put_without_id(broker_url: str, management_url: str, count: int) -> None:
    """By RabbitMQ's management API: our client gives every message an id."""
    to = urlsplit(broker_url)
    message = {"properties": {"headers": {}}, "routing_key": HOME, "payload": "{}", "payload_encoding": "string"}
    login = aiohttp.encode_basic_auth(to.username or "", to.password or "")
    async with aiohttp.ClientSession(headers={"Authorization": login}) as http:
        for _ in range(count):
            url = f"{management_url}/api/exchanges/{to.path[1:]}/amq.default/publish"
            async with http.post(url, json=message) as response:
                assert (await response.json())["routed"]


async def test_a_person_waits_for_a_count_which_gives_way(broker_url: str, pile: Pile) -> None:
    await pile.put(HOME, letters(UNREADABLE, 300))
    url = SecretStr(broker_url)
    under_way = asyncio.Event()

    async def count() -> None:
        async with reading_aside(url, UNREADABLE) as (reader, is_wanted):
            while not await is_wanted():
                await looked_at(reader)
                under_way.set()

    counting = asyncio.create_task(count())
    await under_way.wait()
    with pytest.raises(BeingRead):
        async with reading_aside(url, UNREADABLE):
            pass
    async with reading(url, UNREADABLE, patience_seconds=0) as reader:
        await counting
        assert len(await looked_at(reader)) == 300
        with pytest.raises(BeingRead):
            async with reading_aside(url, UNREADABLE):
                pass


async def test_the_second_reader_is_told_and_the_first_one_s_end_lets_the_next_in(broker_url: str, pile: Pile) -> None:
    url = SecretStr(broker_url)

    async with reading(url, UNREADABLE):
        with pytest.raises(BeingRead, match="read by somebody else"):
            async with reading(url, UNREADABLE, patience_seconds=0.2):
                pass
        async with reading(url, INGEST) as other:
            assert await looked_at(other) == []

    async with reading(url, UNREADABLE, patience_seconds=0) as next_one:
        assert await looked_at(next_one) == []


async def test_a_reader_waits_for_another_who_is_about_to_end(broker_url: str, pile: Pile) -> None:
    url = SecretStr(broker_url)
    first = reading(url, UNREADABLE)
    await first.__aenter__()

    async def end_soon() -> None:
        await asyncio.sleep(0.3)
        await first.__aexit__(None, None, None)

    ending = asyncio.create_task(end_soon())
    async with reading(url, UNREADABLE, patience_seconds=10):
        await ending


async def test_queues_that_are_not_there_are_told(broker_url: str) -> None:
    with pytest.raises(NoSuchLetters, match=HOME):
        async with reading(SecretStr(broker_url), UNREADABLE):
            pass


@pytest.mark.parametrize("count", [40, 300])
async def test_a_broken_connection_in_the_middle_of_a_walk_loses_and_doubles_nothing(
    broker_url: str, pile: Pile, count: int
) -> None:
    await pile.put(HOME, letters(UNREADABLE, count))

    async with Link(broker_url) as link:

        async def look(few: Sequence[Letter]) -> Sequence[Verdict]:
            if any(each.id == str(count // 2) for each in few):
                await link.cut()
            return [Verdict.KEEP] * len(few)

        with pytest.raises(ReadingFailed):
            async with reading(SecretStr(link.url), UNREADABLE) as reader:
                await reader.walk(look)

    await all_are_there_once(broker_url, pile, count)


@pytest.mark.parametrize("count", [40, 300])
async def test_a_walk_that_is_cancelled_in_the_middle_loses_and_doubles_nothing(
    broker_url: str, pile: Pile, count: int
) -> None:
    await pile.put(HOME, letters(UNREADABLE, count))
    half_way = asyncio.Event()

    async def look(few: Sequence[Letter]) -> Sequence[Verdict]:
        if any(each.id == str(count // 2) for each in few):
            half_way.set()
            await asyncio.Event().wait()
        return [Verdict.KEEP] * len(few)

    async def walk() -> None:
        async with reading(SecretStr(broker_url), UNREADABLE) as reader:
            await reader.walk(look)

    walking = asyncio.create_task(walk())
    await half_way.wait()
    walking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walking

    await all_are_there_once(broker_url, pile, count)


WALK_FOR_EVER = """
import asyncio, os
from pydantic import SecretStr
from shared.broker.letters import Verdict, reading
from shared.broker.topology import UNREADABLE

async def look(few):
    print(few[0].id, flush=True)
    return [Verdict.KEEP] * len(few)

async def main():
    async with reading(SecretStr(os.environ["RABBITMQ_URL"]), UNREADABLE) as reader:
        while True:
            await reader.walk(look)

asyncio.run(main())
"""


async def test_readers_that_are_killed_again_and_again_lose_and_double_nothing(broker_url: str, pile: Pile) -> None:
    await pile.put(HOME, letters(UNREADABLE, 300))

    for lines in (3, 9, 14, 20):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WALK_FOR_EVER,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "RABBITMQ_URL": broker_url},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(lines):
            await process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        await process.communicate()

    await all_are_there_once(broker_url, pile, 300)


async def all_are_there_once(broker_url: str, pile: Pile, count: int) -> None:
    """As soon as RabbitMQ has noticed that the reader is gone."""

    async def are() -> bool:
        async with reading(SecretStr(broker_url), UNREADABLE, patience_seconds=20) as reader:
            seen = await looked_at(reader)
        return sorted(seen, key=int) == [str(number) for number in range(count)]

    await until(are)
    await pile.until_there_are(HOME, count)
