"""A replay: the document begins anew, the event goes back to its queue; only what was there at the start is meant."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aio_pika
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from pymongo import MongoClient

from shared.broker.letters import BeingRead, NoSuchLetters, ReadingFailed, reading
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, UNREADABLE, WorkQueue
from shared.clock import system_clock
from shared.dead_letters.fates import Fates
from shared.dead_letters.overview import overview
from shared.dead_letters.purge import purge
from shared.dead_letters.replay import Replay, Replayed
from shared.dead_letters.selection import Selection
from shared.errors import ErrorCode
from shared.events import Event, MediaReceived, decode
from shared.media import Attachment, FailureStage, MediaStatus, Storage
from shared.repository.erased_names import covering
from shared.repository.messages import Change, MessageRepository
from shared.repository.mongo import Database, connect
from shared.repository.tombstones import Tombstones
from shared.requeue import received_again
from tests.builders import (
    NOW,
    NUMBER,
    make_attachment,
    make_failure,
    make_media,
    make_media_received,
    make_media_stored,
    make_original,
)
from tests.letters import QUEUES, Pile, letter, letters, new_pile

FUTURE = system_clock() + timedelta(days=5)
FAILED = {"status": MediaStatus.FAILED, "attempts": 9, "failure": make_failure(), "deadline": FUTURE}
AT_PREVIEW = {
    "status": MediaStatus.FAILED,
    "failure": make_failure(stage=FailureStage.PREVIEW, code=ErrorCode.PREVIEW_TIMEOUT),
    "storage": Storage(original=make_original()),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """A broker full of dead letters, and the documents they are about."""

    url: SecretStr
    pile: Pile
    database: Database
    messages: MessageRepository
    keys: tuple[SecretStr, ...]
    told: list[Change] = field(default_factory=list)

    def replay(self, **options: Any) -> Replay:
        return Replay(self.url, database=self.database, keys=self.keys, announce=self.told.append, **options)

    async def run(self, **selection: Any) -> Replayed:
        return await self.replay().run(Selection(**selection))

    async def document(self, name: str, **media: Any) -> Attachment:
        change = await self.messages.insert(make_attachment(id=name, media=make_media(**media)))
        assert change is not None
        return change.attachment

    async def status(self, name: str) -> MediaStatus:
        found = await self.messages.get(name)
        assert found is not None
        return found.media.status

    async def bury(self, queue: WorkQueue, event: Event, *, id: str, **options: Any) -> None:
        await self.pile.put(
            queue.dead_letters,
            [letter(queue, id=id, event=event, **({"code": ErrorCode.PROVIDER_UNAVAILABLE} | options))],
        )

    async def failed(self, name: str, **media: Any) -> Attachment:
        """A document that failed, and its letter."""
        document = await self.document(name, **FAILED | media)
        await self.bury(INGEST, received_again(document), id=f"letter-{name}")
        return document


@pytest.fixture
async def world(broker_url: str, mongodb_uri: str, mongodb_database: str) -> AsyncIterator[World]:
    client = connect(SecretStr(mongodb_uri))
    database = client[mongodb_database]
    async with await aio_pika.connect(broker_url) as connection:
        yield World(
            url=SecretStr(broker_url),
            pile=await new_pile(connection),
            database=database,
            messages=MessageRepository(database),
            keys=(SecretStr(Fernet.generate_key().decode()),),
        )
    client.close()


async def test_two_letters_of_one_attachment_set_it_going_once_however_soon_it_fails_again(
    world: World, mongodb_uri: str, mongodb_database: str
) -> None:
    document = await world.failed("mfailed")
    await world.bury(INGEST, received_again(document), id="another-letter")

    def fails_again(_: Change) -> None:
        with MongoClient[dict[str, Any]](mongodb_uri) as client:
            messages = client[mongodb_database]["messages"]
            messages.update_one({"_id": "mfailed"}, {"$set": {"media.status": "failed"}, "$inc": {"media.revision": 1}})

    replay = Replay(world.url, database=world.database, keys=world.keys, announce=fails_again)
    result = await replay.run(Selection(), per_second=20)

    assert result == Replayed(replayed=1, already_done=1, expired=0, unclear=0, remaining=0)


async def test_a_failed_attachment_begins_anew_and_its_event_goes_back_to_the_queue(world: World) -> None:
    await world.failed("mfailed")

    result = await world.run()

    assert result == Replayed(replayed=1, already_done=0, expired=0, unclear=0, remaining=0)
    document = await world.messages.get("mfailed")
    assert document is not None
    assert document.media.status is MediaStatus.PENDING
    assert document.media.attempts == 0
    assert document.media.failure is None
    assert document.media.wake_at is not None
    assert document.media.wake_at > system_clock() + timedelta(minutes=14), "published: it may wait in its queue"
    told = [(change.previous, change.attachment.id, change.attachment.media.revision) for change in world.told]
    assert told == [(MediaStatus.FAILED, "mfailed", document.media.revision)]
    (event,) = await world.pile.drained(INGEST.name)
    assert decode(MediaReceived, event.body).media_id == "mfailed"
    assert event.headers["x-attempt"] == 1
    assert set(event.headers) <= {"x-attempt", "x-replayed", "x-delivery-count"}
    assert event.correlation_id == "correlation-letter-mfailed"
    await world.pile.until_there_are(INGEST.dead_letters, 0)


async def test_what_was_skipped_for_its_size_is_replayed_too(world: World) -> None:
    await world.failed("mlarge", status=MediaStatus.SKIPPED, failure=make_failure(code=ErrorCode.MEDIA_TOO_LARGE))

    assert (await world.run()).replayed == 1
    assert await world.status("mlarge") is MediaStatus.PENDING


async def test_a_failed_preview_is_made_again_and_the_original_stays(world: World) -> None:
    document = await world.document("mpreview", **AT_PREVIEW)
    await world.bury(PREVIEW, make_media_stored(document), id="one")

    result = await world.run()

    assert result.replayed == 1
    again = await world.messages.get("mpreview")
    assert again is not None
    assert again.media.status is MediaStatus.STORED
    assert again.media.storage.original == document.media.storage.original
    assert await world.pile.ids(PREVIEW.name) == ["one"]


@pytest.mark.parametrize("status", [MediaStatus.PENDING, MediaStatus.STORED, MediaStatus.READY])
async def test_a_letter_whose_attachment_went_on_is_removed_and_not_replayed(world: World, status: MediaStatus) -> None:
    await world.failed("mwent", status=status, failure=None, storage=Storage(original=make_original()))

    result = await world.run()

    assert result == Replayed(replayed=0, already_done=1, expired=0, unclear=0, remaining=0)
    assert await world.status("mwent") is status
    await world.pile.until_there_are(INGEST.dead_letters, 0)
    assert await world.pile.ids(INGEST.name) == []


async def test_an_ingest_letter_is_settled_once_only_the_preview_failed(world: World) -> None:
    document = await world.document("mpreview", **AT_PREVIEW)
    await world.bury(INGEST, received_again(document), id="one")

    assert (await world.run()).already_done == 1
    assert await world.status("mpreview") is MediaStatus.FAILED


@pytest.mark.parametrize("media", [FAILED, {"status": MediaStatus.READY}, None])
async def test_a_preview_letter_is_settled_unless_its_preview_failed(
    world: World, media: dict[str, Any] | None
) -> None:
    document = make_attachment(id="mdoc", media=make_media(storage=Storage(original=make_original())))
    if media is not None:
        await world.document("mdoc", **media)
    await world.bury(PREVIEW, make_media_stored(document), id="one")

    assert (await world.run()).already_done == 1


async def test_what_is_past_its_deadline_stays_and_is_said(world: World) -> None:
    await world.failed("mlate", deadline=NOW)
    await world.failed("mtimely")

    result = await world.run()

    assert result == Replayed(replayed=1, already_done=0, expired=1, unclear=0, remaining=1)
    assert await world.status("mlate") is MediaStatus.FAILED
    await world.pile.until_there_are(INGEST.dead_letters, 1)
    assert await world.pile.ids(INGEST.dead_letters) == ["letter-mlate"]


async def test_an_event_that_failed_before_there_was_a_document_is_replayed(world: World) -> None:
    await world.bury(INGEST, make_media_received(), id="one")

    assert (await world.run()).replayed == 1
    assert await world.pile.ids(INGEST.name) == ["one"]


async def test_what_was_erased_does_not_come_back(world: World) -> None:
    event = make_media_received()
    await Tombstones(world.database, world.keys).lay(covering(event), before=system_clock())
    await world.bury(INGEST, event, id="one")

    assert (await world.run()).already_done == 1
    assert await world.pile.ids(INGEST.name) == []


@pytest.mark.parametrize("queue", [INGEST, IDENTITIES, PREVIEW, UNREADABLE])
async def test_what_cannot_be_read_here_goes_back_to_its_own_consumer_as_it_is(world: World, queue: WorkQueue) -> None:
    await world.pile.put(queue.dead_letters, [letter(queue, id="one", body=b"raw \xff")])

    assert (await world.run()).replayed == 1
    (again,) = await world.pile.drained(queue.name)
    assert (again.message_id, again.body) == ("one", b"raw \xff")
    assert again.timestamp == NOW, "a webhook's age decides how long Meta keeps its media"


async def test_a_document_that_somebody_broke_by_hand_is_told_apart_and_left(world: World) -> None:
    await world.failed("mbroken")
    await world.database["messages"].update_one({"_id": "mbroken"}, {"$set": {"kind": "hologram"}})

    assert await world.run() == Replayed(replayed=0, already_done=0, expired=0, unclear=1, remaining=1)


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        ({"queue": INGEST}, {"a", "b", "c"}),
        ({"code": "provider_rejected"}, {"b"}),
        ({"phone_number_id": "200"}, {"c"}),
        ({"id": "a"}, {"a"}),
        ({"id": "mb"}, {"b"}),
        ({"id": "wamid.c"}, {"c"}),
        ({"id": "nobody"}, set()),
        ({"since": NOW - timedelta(hours=2)}, {"b", "c", "raw"}),
        ({"until": NOW - timedelta(hours=2)}, {"a"}),
        ({"queue": INGEST, "since": NOW - timedelta(hours=2), "until": NOW - timedelta(hours=1)}, {"b"}),
        ({"limit": 2, "queue": INGEST}, {"a", "b"}),
    ],
)
async def test_only_what_is_asked_for_is_replayed(world: World, selection: dict[str, Any], ids: set[str]) -> None:
    for hours, name, number, code in (
        (3, "a", NUMBER, ErrorCode.INTERNAL),
        (1, "b", NUMBER, ErrorCode.PROVIDER_REJECTED),
        (0, "c", "200", ErrorCode.INTERNAL),
    ):
        event = make_media_received(media_id=f"m{name}", message_id=f"wamid.{name}", phone_number_id=number)
        await world.bury(INGEST, event, id=name, code=code, number=number, failed_at=NOW - timedelta(hours=hours))
    await world.pile.put(UNREADABLE.dead_letters, [letter(UNREADABLE, id="raw")])

    result = await world.run(**selection)

    assert result.replayed == len(ids)
    assert {*await world.pile.ids(INGEST.name), *await world.pile.ids(UNREADABLE.name)} == ids
    looked_at = 3 if "queue" in selection else 4
    assert result.remaining == looked_at - len(ids)


async def test_a_limit_counts_what_is_set_going_and_not_what_is_settled_or_too_late(world: World) -> None:
    await world.failed("mlate", deadline=NOW)
    await world.failed("mready", status=MediaStatus.READY)
    for number in range(3):
        await world.failed(f"mfailed{number}")

    assert await world.run(limit=2) == Replayed(replayed=2, already_done=1, expired=1, unclear=0, remaining=2)


@pytest.mark.parametrize("count", [30, 150])
async def test_what_is_given_up_again_during_the_replay_stays_and_so_does_what_comes(world: World, count: int) -> None:
    """A cut-off by what was there, never by a place in the queue."""
    await world.pile.put(UNREADABLE.dead_letters, letters(UNREADABLE, count))
    replaying = True

    async def fail_again(done: int, of: int) -> None:
        nonlocal replaying
        while replaying:
            for event in await world.pile.drained(UNREADABLE.name):
                body, name = event.body, event.message_id or ""
                again = letter(UNREADABLE, id=name, body=body, failed_at=NOW + timedelta(days=1))
                await world.pile.put(UNREADABLE.dead_letters, [again])
            await asyncio.sleep(0)

    failing = asyncio.create_task(fail_again(0, 0))
    result = await world.run()
    replaying = False
    await failing

    assert result == Replayed(replayed=count, already_done=0, expired=0, unclear=0, remaining=0)
    left = len(await world.pile.ids(UNREADABLE.name))
    await world.pile.until_there_are(UNREADABLE.dead_letters, count - left)


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(world: World) -> None:
    await world.failed("mlate", deadline=NOW)
    await world.failed("mready", status=MediaStatus.READY)
    for number in range(3):
        await world.failed(f"mfailed{number}")
    before = [document async for document in world.database["messages"].find().sort("_id")]

    for _ in range(3):
        result = await world.replay().dry_run(Selection(queue=INGEST, limit=2))
        assert result == Replayed(replayed=2, already_done=1, expired=1, unclear=0, remaining=2)

    assert [document async for document in world.database["messages"].find().sort("_id")] == before
    assert await world.pile.ids(INGEST.name) == []
    await world.pile.until_there_are(INGEST.dead_letters, 5)


async def test_a_rate_is_kept(world: World) -> None:
    await world.pile.put(UNREADABLE.dead_letters, letters(UNREADABLE, 12))
    started = asyncio.get_running_loop().time()

    result = await world.replay().run(Selection(), per_second=8)

    assert result.replayed == 12
    assert asyncio.get_running_loop().time() - started >= 1, "eight at once, and the other four a second later"


async def test_stopped_half_way_the_same_replay_goes_on(world: World) -> None:
    await world.pile.put(UNREADABLE.dead_letters, letters(UNREADABLE, 150))
    stop = asyncio.Event()

    def progress(done: int, of: int) -> None:
        assert of == 150
        if done >= 75:
            stop.set()

    first = await world.replay(stop=stop, progress=progress).run(Selection())
    second = await world.run()

    assert first.replayed == 75
    assert first.remaining == 75
    assert second == Replayed(replayed=75, already_done=0, expired=0, unclear=0, remaining=0)
    assert sorted(map(int, filter(None, await world.pile.ids(UNREADABLE.name)))) == list(range(150))


async def test_two_replays_at_once_the_second_is_told(world: World) -> None:
    async with reading(world.url, UNREADABLE):
        with pytest.raises(BeingRead):
            await world.run()


async def test_without_the_queue_to_go_back_to_the_letter_stays_and_the_document_is_looked_at_at_once(
    world: World,
) -> None:
    await world.failed("mfailed")
    async with await aio_pika.connect(world.url.get_secret_value()) as connection:
        await (await connection.channel()).queue_delete(INGEST.name)

    with pytest.raises(ReadingFailed, match=f"{INGEST.name}; start the services"):
        await world.run()

    await world.pile.until_there_are(INGEST.dead_letters, 1)
    document = await world.messages.get("mfailed")
    assert document is not None
    assert document.media.wake_at is not None
    assert document.media.wake_at <= system_clock(), "the reconciler takes it now"


async def test_a_broker_that_no_service_has_seen_is_told(world: World) -> None:
    async with await aio_pika.connect(world.url.get_secret_value()) as connection:
        channel = await connection.channel()
        for queue in QUEUES:
            await channel.queue_delete(queue.name)

    with pytest.raises(NoSuchLetters):
        await world.run()


async def test_letters_are_grouped_by_code_and_number_and_settled_ones_are_counted_apart(world: World) -> None:
    for number in range(3):
        await world.failed(f"mfailed{number}")
    await world.failed("mready", status=MediaStatus.READY)
    later = NOW + timedelta(hours=1)
    event = make_media_received(phone_number_id="200")
    await world.bury(INGEST, event, id="x", number="200", reason="the newest", failed_at=later)
    await world.bury(INGEST, event, id="y", number="200", reason="the oldest", failed_at=NOW - timedelta(hours=1))

    found = await overview(world.url, INGEST, fates=Fates(world.database, is_erased=None, clock=system_clock))

    assert found.settled == 1
    first, second = found.groups
    assert (first.code, first.phone_number_id, first.count) == ("provider_unavailable", NUMBER, 3)
    assert (first.first, first.last) == (NOW, NOW)
    assert (second.phone_number_id, second.count, second.reason) == ("200", 2, "the newest")
    assert (second.first, second.last) == (NOW - timedelta(hours=1), later)


@pytest.mark.parametrize("count", [5, 130])
async def test_a_purge_removes_all_or_the_one_that_was_named(world: World, count: int) -> None:
    await world.pile.put(UNREADABLE.dead_letters, letters(UNREADABLE, count))

    assert await purge(world.url, Selection(queue=UNREADABLE, id="3")) == 1
    assert await purge(world.url, Selection(queue=UNREADABLE, id="3")) == 0
    assert await purge(world.url, Selection(queue=UNREADABLE)) == count - 1

    await world.pile.until_there_are(UNREADABLE.dead_letters, 0)
