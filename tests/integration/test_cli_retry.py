"""`attache retry` and `attache retry-failed`, as an operator types them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from pydantic import SecretStr

from shared.broker.topology import EXCHANGE, INGEST, PREVIEW
from shared.clock import system_clock
from shared.errors import ErrorCode
from shared.events import MediaReceived, decode
from shared.media import Attachment, FailureStage, MediaStatus
from shared.repository.failed import FailedFilter, FailedMedia
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect
from tests.amqp import running_broker
from tests.builders import NUMBER, make_failure
from tests.unit.media_server.documents import make_message

ATTACHE = Path(sys.executable).with_name("attache")
QUEUES = [*INGEST.queues(), *PREVIEW.queues()]
SOON, PAST = timedelta(hours=1), timedelta(hours=-1)


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    yield client[mongodb_database]
    client.close()


@pytest.fixture
def messages(database: Database) -> MessageRepository:
    return MessageRepository(database)


@pytest.fixture
def settings(mongodb_uri: str, mongodb_database: str, broker_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "COLUMNS": "200",
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": mongodb_database,
        "RABBITMQ_URL": broker_url,
    }


def attache(*arguments: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [ATTACHE, *arguments], env=settings, capture_output=True, text=True, timeout=60
    )


def failed(
    media_id: str,
    code: ErrorCode = ErrorCode.PROVIDER_AUTH,
    *,
    stage: FailureStage = FailureStage.INGEST,
    left: timedelta = SOON,
    ago: timedelta = timedelta(minutes=1),
    number: str = NUMBER,
    status: MediaStatus = MediaStatus.FAILED,
) -> Attachment:
    now = system_clock()
    attachment = make_message(
        status,
        media_id=media_id,
        stored=stage is FailureStage.PREVIEW,
        deadline=now + left,
        failure=make_failure(stage=stage, code=code, at=now - ago),
    )
    return attachment.model_copy(update={"phone_number_id": number})


async def inserted(messages: MessageRepository, *attachments: Attachment) -> None:
    for attachment in attachments:
        assert await messages.insert(attachment)


async def statuses(database: Database) -> dict[str, str]:
    return {document["_id"]: document["media"]["status"] async for document in database["messages"].find()}


async def queued(url: str, queue_name: str, count: int) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """This many events of the queue, taken; and no further one is there."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(queue_name)
        assert queue.declaration_result.message_count == count
        taken = [await queue.get(timeout=5) for _ in range(count)]
        for message in taken:
            await message.ack()
        return taken


# one


@pytest.mark.parametrize("by_wamid", [False, True])
async def test_a_failed_attachment_goes_again_by_our_id_or_the_wamid(
    settings: dict[str, str], messages: MessageRepository, by_wamid: bool
) -> None:
    attachment = failed("mone")
    await inserted(messages, attachment)

    done = attache("retry", attachment.message_id if by_wamid else "mone", settings=settings)

    assert done.returncode == 0, done.stderr
    assert "mone goes again" in done.stdout
    current = await messages.get("mone")
    assert current is not None
    assert (current.media.status, current.media.attempts, current.media.failure) == (MediaStatus.PENDING, 0, None)
    [event] = await queued(settings["RABBITMQ_URL"], INGEST.name, 1)
    assert decode(MediaReceived, event.body).media_id == "mone"
    assert event.headers["x-attempt"] == 1


async def test_every_attachment_of_a_wamid_goes_again(settings: dict[str, str], messages: MessageRepository) -> None:
    await inserted(messages, failed("mone"), make_message(MediaStatus.READY, media_id="mready"), failed("mtwo"))

    done = attache("retry", failed("mone").message_id, settings=settings)

    assert done.returncode == 0, done.stderr
    assert "mone goes again" in done.stdout
    assert "mtwo goes again" in done.stdout
    assert "mready is ready: there is nothing to retry" in done.stderr


async def test_past_its_deadline_one_attachment_is_tried_all_the_same(
    settings: dict[str, str], messages: MessageRepository
) -> None:
    await inserted(messages, failed("mlate", left=PAST))

    done = attache("retry", "mlate", settings=settings)

    assert done.returncode == 0, done.stderr
    assert "one attempt is made" in done.stdout
    await queued(settings["RABBITMQ_URL"], INGEST.name, 1)


async def test_the_change_is_told_to_the_screens_and_logged_as_any_other(
    settings: dict[str, str], messages: MessageRepository
) -> None:
    await inserted(messages, failed("mone"))
    async with running_broker(settings["RABBITMQ_URL"], QUEUES) as broker:
        channel = await broker.consuming_channel(prefetch=1)
        heard = await channel.declare_queue(exclusive=True)
        await heard.bind(EXCHANGE, "media.updated")

        done = attache("retry", "mone", settings=settings)

        event = await heard.get(timeout=5)
        await event.ack()
    assert (json.loads(event.body)["media"]["status"], json.loads(event.body)["media"]["revision"]) == ("pending", 2)
    [line] = [each for each in map(json.loads, done.stderr.splitlines()) if each["event"] == "message_media_updated"]
    assert (line["mediaId"], line["status"], line["service"]) == ("mone", "pending", "attache")


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (MediaStatus.READY, "mone is ready: there is nothing to retry"),
        (MediaStatus.PENDING, "mone is pending: an attempt is under way or queued already"),
    ],
)
async def test_what_cannot_be_retried_says_so_and_ends_with_1(
    settings: dict[str, str], messages: MessageRepository, status: MediaStatus, says: str
) -> None:
    await inserted(messages, make_message(status, media_id="mone"))

    refused = attache("retry", "mone", settings=settings)

    assert refused.returncode == 1
    assert says in refused.stderr


def test_an_unknown_id_says_so_and_ends_with_1(settings: dict[str, str]) -> None:
    refused = attache("retry", "mnobody", settings=settings)

    assert refused.returncode == 1
    assert "No attachment has this id or wamid" in refused.stderr


@pytest.mark.parametrize(
    ("away", "says"),
    [
        ({"RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:1/"}, "nothing was changed. Is it running, is RABBITMQ_URL"),
        ({"MONGODB_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"}, "MongoDB does not answer"),
    ],
)
async def test_a_server_that_is_away_is_said_and_nothing_is_changed(
    settings: dict[str, str], messages: MessageRepository, database: Database, away: dict[str, str], says: str
) -> None:
    await inserted(messages, failed("mone"))

    refused = attache("retry", "mone", settings=settings | away)

    assert refused.returncode == 1
    assert says in refused.stderr
    assert await statuses(database) == {"mone": "failed"}


# all


async def test_all_that_failed_goes_again_but_what_is_past_its_deadline_is_counted_and_left(
    settings: dict[str, str], messages: MessageRepository, database: Database
) -> None:
    await inserted(
        messages,
        failed("mone"),
        failed("mtwo", ErrorCode.PROVIDER_NOT_FOUND),
        failed("mlate", left=PAST),
        failed("mpreview", ErrorCode.PREVIEW_TIMEOUT, stage=FailureStage.PREVIEW, left=PAST),
        failed("mbig", ErrorCode.MEDIA_TOO_LARGE, status=MediaStatus.SKIPPED),
        make_message(MediaStatus.READY, media_id="mready"),
    )

    done = attache("retry-failed", settings=settings)

    assert done.returncode == 0, done.stderr
    assert counts(done.stdout) == {"go again": 3, "past their deadline": 1}
    assert await statuses(database) == {
        "mone": "pending",
        "mtwo": "pending",
        "mlate": "failed",
        "mpreview": "stored",
        "mbig": "skipped",
        "mready": "ready",
    }
    await queued(settings["RABBITMQ_URL"], INGEST.name, 2)
    await queued(settings["RABBITMQ_URL"], PREVIEW.name, 1)


def counts(output: str) -> dict[str, int]:
    rows = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in output.splitlines() if "│" in line]
    return {row[1].partition(",")[0]: int(row[0]) for row in rows}


async def test_the_nearest_deadline_goes_first(messages: MessageRepository, database: Database) -> None:
    for number in (5, 2, 7, 0, 3, 6, 1, 4):
        await inserted(messages, failed(f"m{number}", left=SOON * (number + 1)))

    found = await FailedMedia(database).candidates(FailedFilter(), now=system_clock())

    assert found.ids == [f"m{number}" for number in range(8)]


@pytest.mark.parametrize(
    ("filters", "fitting"),
    [
        (["--code", "provider_auth"], {"mhere", "mother", "mold"}),
        (["--number", NUMBER], {"mhere", "mold", "mcode"}),
        (["--since", "12h"], {"mhere", "mother", "mcode"}),
        (["--code", "provider_auth", "--number", NUMBER, "--since", "12h"], {"mhere"}),
        (["--code", "media_too_large"], {"mbig"}),
    ],
)
async def test_filters_narrow_together(
    settings: dict[str, str], messages: MessageRepository, database: Database, filters: list[str], fitting: set[str]
) -> None:
    await inserted(
        messages,
        failed("mhere"),
        failed("mother", number="999"),
        failed("mold", ago=timedelta(days=1)),
        failed("mcode", ErrorCode.INTERNAL),
        failed("mbig", ErrorCode.MEDIA_TOO_LARGE, status=MediaStatus.SKIPPED),
    )

    done = attache("retry-failed", *filters, settings=settings)

    assert done.returncode == 0, done.stderr
    assert {media_id for media_id, status in (await statuses(database)).items() if status == "pending"} == fitting


async def test_when_all_is_past_its_deadline_nothing_was_achieved(
    settings: dict[str, str], messages: MessageRepository
) -> None:
    await inserted(messages, failed("mlate", left=PAST))

    done = attache("retry-failed", settings=settings)

    assert done.returncode == 1
    assert "make retry ID=" in done.stdout


def test_nothing_that_failed_is_no_failure(settings: dict[str, str]) -> None:
    done = attache("retry-failed", settings=settings)

    assert done.returncode == 0
    assert "there is nothing to retry" in done.stdout


@pytest.mark.parametrize("wrong", [["--code", "nope"], ["--since", "yesterday"]])
def test_a_filter_that_cannot_be_is_wrong_usage(settings: dict[str, str], wrong: list[str]) -> None:
    assert attache("retry-failed", *wrong, settings=settings).returncode == 2


async def test_a_document_broken_by_hand_stops_nothing(
    settings: dict[str, str], messages: MessageRepository, database: Database
) -> None:
    await inserted(messages, failed("mbroken"), failed("mone"))
    await database["messages"].update_one({"_id": "mbroken"}, {"$set": {"kind": "painting"}})

    done = attache("retry-failed", settings=settings)

    assert done.returncode == 0, done.stderr
    assert counts(done.stdout) == {"go again": 1, "broken by hand in the database": 1}


async def test_ctrl_c_ends_those_in_hand_and_the_same_command_goes_on(
    settings: dict[str, str], database: Database
) -> None:
    many = [failed(f"m{number}").to_document() for number in range(3000)]
    await database["messages"].insert_many(many)
    process = await asyncio.create_subprocess_exec(
        ATTACHE, "retry-failed", env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    while b"message_media_updated" not in await process.stderr.readline():
        pass  # until the first one goes again

    process.send_signal(signal.SIGINT)
    output, told = await process.communicate()

    assert process.returncode == 1
    assert "The same command goes on" in told.decode()
    done = counts(output.decode())
    assert 0 < done["go again"] < len(many)
    assert done["go again"] + done["left"] == len(many)
    moved: Any = await database["messages"].count_documents({"media.status": "pending"})
    assert moved == done["go again"]
    await queued_count(settings["RABBITMQ_URL"], done["go again"])


async def queued_count(url: str, count: int) -> None:
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue(INGEST.name)
        assert queue.declaration_result.message_count == count
