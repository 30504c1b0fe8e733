"""Every example of a webhook in Meta's documentation, and every shape it only tells of, with exactly its events."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.unit.webhook_gateway.examples import EXAMPLES, Example, expected, sent, whole
from tests.unit.webhook_gateway.gateways import Client, MemoryPublisher, answered, running_gateway
from tests.unit.webhook_gateway.payloads import change, escaped, raw, text_message, webhook

Written = Callable[[Any], bytes]
ALERT = {"field": "account_alerts", "value": {"entity_type": "WABA", "entity_id": "100200300400500"}}
PLAIN = [example for example in EXAMPLES if example.message is not None]
STATUSES = change(statuses=[{"id": "wamid.OUT", "status": "delivered", "timestamp": "1790000099"}])

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
as_written = pytest.mark.parametrize("written", [raw, escaped])


@pytest.fixture
def publisher() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
async def client(publisher: MemoryPublisher) -> AsyncIterator[Client]:
    async with running_gateway(publisher) as client:
        yield client


@as_written
@each_example
async def test_an_example_causes_exactly_its_events(
    example: Example, written: Written, client: Client, publisher: MemoryPublisher
) -> None:
    answer = await answered(client, publisher, written(whole(example)))

    assert answer.status == 200
    assert sent(answer.events) == expected(example)
    assert answer.parked == []


@as_written
@each_example
async def test_three_to_a_batch_among_other_changes_cause_the_same_events(
    example: Example, written: Written, client: Client, publisher: MemoryPublisher
) -> None:
    three = [example.again("1-"), following(example, 1).again("2-"), following(example, 2).again("3-")]
    batch = webhook(ALERT, change(text_message()), STATUSES)
    for each in three:
        batch["entry"] += [*each.entries, *webhook(STATUSES, ALERT, change(text_message()))["entry"]]

    answer = await answered(client, publisher, written(batch))

    assert answer.status == 200
    assert sent(answer.events) == expected(*three)
    assert answer.parked == []


@as_written
@pytest.mark.parametrize("example", PLAIN, ids=lambda example: example.name)
async def test_three_in_one_change_beside_text_and_statuses_cause_the_same_events(
    example: Example, written: Written, client: Client, publisher: MemoryPublisher
) -> None:
    start = PLAIN.index(example)
    three = [PLAIN[(start + place) % len(PLAIN)].again(f"{place}-") for place in range(3)]
    messages = [message for each in three for message in (text_message(), each.message)]

    answer = await answered(client, publisher, written(webhook(change(*messages, **STATUSES["value"]))))

    assert answer.status == 200
    assert sent(answer.events) == expected(*three)
    assert answer.parked == []


def following(example: Example, places: int) -> Example:
    return EXAMPLES[(EXAMPLES.index(example) + places * 7) % len(EXAMPLES)]


async def test_a_post_with_a_thousand_updates_of_every_kind_is_read_whole(
    client: Client, publisher: MemoryPublisher
) -> None:
    batch = [EXAMPLES[number % len(EXAMPLES)].again(f"{number}-") for number in range(1000)]
    body = escaped(whole(*batch))
    assert len(body) < 3_000_000
    filling = webhook(change(text_message() | {"text": {"body": "x" * (3_000_000 - len(body) - 500)}}))["entry"]
    body = escaped({**whole(*batch), "entry": [*filling, *whole(*batch)["entry"]]})

    answer = await answered(client, publisher, body)

    assert answer.status == 200
    assert sent(answer.events) == expected(*batch)
    assert answer.parked == []
    assert len(publisher.published) == 1
