"""`attache dlq`, as an operator types it."""

import os
import subprocess
import sys
from pathlib import Path

import aio_pika
import pytest

from shared.broker.dead_letters import dead_letter_headers
from shared.broker.retry import DeadLetter
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, UNREADABLE
from shared.errors import ErrorCode
from tests.amqp import onlooker, running_broker
from tests.builders import NOW

ATTACHE = Path(sys.executable).with_name("attache")
QUEUES = [queue for work in (INGEST, IDENTITIES, PREVIEW, UNREADABLE) for queue in work.queues()]


def dlq(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "RABBITMQ_URL": url, "COLUMNS": "200"}
    return subprocess.run(  # noqa: S603 - our own command
        [ATTACHE, "dlq", *arguments], env=environment, capture_output=True, text=True, timeout=30
    )


async def bury(url: str, *, code: ErrorCode, reason: str, body: bytes = b"{ not json") -> None:
    async with running_broker(url, QUEUES) as broker:
        headers = dead_letter_headers(
            DeadLetter(code=code, reason=reason),
            queue=UNREADABLE,
            service="webhook-gateway",
            attempt=1,
            failed_at=NOW,
            phone_number_id="200300400500600",
        )
        channel = await broker.publishing_channel()
        message = aio_pika.Message(body, message_id="letter", headers=dict(headers))
        await channel.default_exchange.publish(message, UNREADABLE.dead_letters)


async def test_letters_are_counted_by_reason_and_stay_where_they_are(broker_url: str) -> None:
    for _ in range(2):
        await bury(broker_url, code=ErrorCode.UNDECODABLE_EVENT, reason="not JSON")

    first = dlq("list", url=broker_url)
    for _ in range(5):
        assert dlq("list", url=broker_url).stdout == first.stdout

    assert first.returncode == 0, first.stderr
    row = next(line for line in first.stdout.splitlines() if "webhook-gateway.unreadable" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")][1:4] == [
        "undecodable_event",
        "200300400500600",
        "2",
    ]
    assert "not JSON" in row


async def test_a_parked_body_is_shown_raw_with_its_headers(broker_url: str) -> None:
    await bury(broker_url, code=ErrorCode.UNDECODABLE_EVENT, reason="not JSON", body=b'{"caf\\u00e9": \xff')

    shown = dlq("show", UNREADABLE.name, url=broker_url)

    assert shown.returncode == 0, shown.stderr
    assert "x-reason: not JSON" in shown.stdout
    assert "x-service: webhook-gateway" in shown.stdout
    assert '{"caf\\u00e9": \\xff' in shown.stdout
    async with onlooker(broker_url) as outside:
        assert (await outside.take(UNREADABLE.dead_letters)).message_id == "letter"


async def test_no_letters_is_said(broker_url: str) -> None:
    async with running_broker(broker_url, QUEUES):
        assert dlq("list", url=broker_url).stdout == "There are no dead letters.\n"


@pytest.mark.parametrize(
    ("url", "arguments", "code", "says"),
    [
        ("amqp://127.0.0.1:1/", ["list"], 1, "RabbitMQ does not answer"),
        ("amqp://127.0.0.1:1/", ["show", "nope"], 2, "webhook-gateway.unreadable"),
        ("http://127.0.0.1/", ["list"], 2, "RABBITMQ_URL"),
    ],
)
def test_what_cannot_be_looked_at_is_told(url: str, arguments: list[str], code: int, says: str) -> None:
    failed = dlq(*arguments, url=url)

    assert failed.returncode == code
    assert says in failed.stderr


def test_a_broker_without_our_queues_is_told(broker_url: str) -> None:
    failed = dlq("list", url=broker_url)

    assert failed.returncode == 1
    assert "no service of Attache has been started" in failed.stderr
