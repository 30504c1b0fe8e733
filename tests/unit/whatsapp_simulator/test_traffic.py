from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest

from tests.unit.whatsapp_simulator.peers import Receiver
from whatsapp_simulator import Simulator, Traffic
from whatsapp_simulator.delivery import run


@pytest.fixture
async def subscribed(sim: Simulator, receiver: Receiver) -> Simulator:
    await sim.subscribe(receiver.url)
    return sim


def ids(receiver: Receiver) -> list[str]:
    return [message["id"] for value in receiver.values() for message in value["messages"]]


async def test_everything_arrives_once_and_in_batches(subscribed: Simulator, receiver: Receiver) -> None:
    seen: list[int] = []

    sent = await run(
        subscribed,
        Traffic(kinds=["photo", "text"], count=25, batch=10, connections=1, customers=3),
        on_progress=lambda sent: seen.append(sent.updates),
    )

    assert [len(value["messages"]) for value in receiver.values()] == [10, 10, 5]
    assert len(set(ids(receiver))) == 25
    assert {message["from"] for value in receiver.values() for message in value["messages"]} == {
        "15550110000",
        "15550110001",
        "15550110002",
    }
    assert (sent.posts, sent.updates, sent.attachments, sent.refused) == (3, 25, 13, 0)
    assert seen == [10, 20, 25]
    assert sent.answered_within(0.99) >= sent.answered_within(0.5) > 0


async def test_duplicates_are_the_same_bytes_again(subscribed: Simulator, receiver: Receiver) -> None:
    sent = await run(subscribed, Traffic(kinds=["photo"], count=20, duplicates=0.5))

    repeated = Counter(body for body, _ in receiver.got)
    assert set(repeated.values()) == {1, 2}
    assert sent.duplicates == sum(count == 2 for count in repeated.values())
    assert (sent.posts, sent.updates) == (20 + sent.duplicates, 20)


async def test_reordering_changes_the_order_and_loses_nothing(subscribed: Simulator, receiver: Receiver) -> None:
    traffic = Traffic(kinds=["text"], count=50, batch=5, customers=50, connections=1)
    await run(subscribed, traffic)
    in_order = [message["from"] for value in receiver.values() for message in value["messages"]]
    receiver.got.clear()

    await run(subscribed, Traffic(kinds=["text"], count=50, batch=5, customers=50, connections=1, reorder=True))

    shuffled = [message["from"] for value in receiver.values() for message in value["messages"]]
    assert in_order == sorted(in_order)
    assert shuffled != in_order
    assert sorted(shuffled) == in_order


async def test_a_rate_is_kept(subscribed: Simulator) -> None:
    began = time.monotonic()

    await run(subscribed, Traffic(kinds=["text"], count=11, per_second=100))

    assert time.monotonic() - began >= 0.1


async def test_what_is_given_up_is_counted(subscribed: Simulator, receiver: Receiver) -> None:
    receiver.answers = [503, 503, 503, 500]

    sent = await run(subscribed, Traffic(kinds=["text"], count=2, connections=1))

    assert (sent.refused, sent.accepted) == (1, False)
    assert sent.statuses == {503: 3, 500: 1, 200: 1}


async def test_a_batch_that_is_too_large_for_meta_becomes_two(subscribed: Simulator, receiver: Receiver) -> None:
    await run(subscribed, Traffic(kinds=["photo"], count=1000, batch=1000, caption="ü" * 1000))

    assert len(receiver.got) == 4
    assert len(ids(receiver)) == 1000


async def test_unique_files_have_bytes_of_their_own(subscribed: Simulator) -> None:
    await run(subscribed, Traffic(kinds=["photo", "pdf"], count=6, unique=True))
    await run(subscribed, Traffic(kinds=["photo"], count=2, size_bytes=100_000))

    digests = [media.sha256 for media in subscribed.media]
    assert len(set(digests[:6])) == 6
    assert digests[6] == digests[7]
    assert json.dumps(sorted(media.content.size_bytes for media in subscribed.media)[-2:]) == "[100000, 100000]"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kinds": ["film"]}, "film: no such kind"),
        ({"kinds": []}, "none given"),
        ({"kinds": ["text"], "count": 0}, "1 or more"),
        ({"kinds": ["text"], "batch": 1001}, "batch must be from 1 to 1000"),
        ({"kinds": ["text"], "per_second": 0}, "the rate"),
        ({"kinds": ["text"], "duplicates": 2}, "duplicates"),
        ({"kinds": ["text"], "size_bytes": 5}, "a size must be"),
    ],
)
def test_orders_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Traffic(**options)
