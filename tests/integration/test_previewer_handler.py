"""The previewer's work with real decoders in their sandbox, a real MongoDB and a real folder."""

import errno
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from pydantic import SecretStr
from structlog.testing import capture_logs

from previewer.handler import PreviewHandler
from previewer.render.job import Rendered
from previewer.render_missing import RenderMissing
from previewer.sandbox import Sandbox
from shared.broker.consumer import Delivery
from shared.broker.publisher import Publisher
from shared.broker.retry import DeadLetter, Decision, RetryIn, RetryPolicy, Settled
from shared.broker.topology import PREVIEW
from shared.clock import system_clock
from shared.errors import ErrorCode, StorageUnavailable
from shared.events import Event, MediaReceived
from shared.keys import Folder, original_key
from shared.media import Attachment, FailureStage, MediaStatus, Storage
from shared.release import Release
from shared.repository.blobs import BlobRepository
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from shared.sniff import sniff
from shared.storage.filesystem import FilesystemStore
from shared.updates import Announcer
from tests import images
from tests.amqp import running_broker
from tests.builders import make_attachment, make_media, make_media_stored, make_original


@dataclass(frozen=True, kw_only=True)
class World:
    """One previewer and everything around it."""

    handler: PreviewHandler
    messages: MessageRepository
    blobs: BlobRepository
    database: Database
    store: FilesystemStore
    folder: Path

    async def stored(self, name: str, content: bytes) -> Attachment:
        """A document whose original the ingestor has just stored."""
        sha256, sniffed = hashlib.sha256(content).hexdigest(), sniff(content)
        key = original_key(Folder.INCOMING, sha256=sha256, extension=sniffed.extension)
        await self.blobs.reserve(sha256, key=key, size_bytes=len(content), mime_type=sniffed.mime_type)
        async with self.store.workspace() as workspace:
            (workspace / "original").write_bytes(content)
            await self.store.put(workspace / "original", key)
        original = make_original(key=key, mime_type=sniffed.mime_type, size_bytes=len(content), sha256=sha256)
        change = await self.messages.insert(
            make_attachment(id=name, media=make_media(status=MediaStatus.STORED, storage=Storage(original=original)))
        )
        assert change is not None
        return change.attachment

    async def deliver(
        self, attachment: Attachment, *, attempt: int = 1, redelivered: bool = False
    ) -> Sequence[Event] | Decision:
        """As the consumer does."""
        event = make_media_stored(attachment)
        delivery = Delivery(attempt=attempt, redelivered=redelivered, correlation_id="abc")
        try:
            return await self.handler.handle(event, delivery)
        except Exception as error:
            return await self.handler.settle(event, error, delivery)

    async def now(self, attachment: Attachment) -> Attachment:
        found = await self.messages.get(attachment.id)
        assert found is not None
        return found

    def path_of(self, attachment: Attachment) -> Path:
        original = attachment.media.storage.original
        assert original is not None
        return self.folder / original.key


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=1)
    await sandbox.start()
    yield sandbox
    await sandbox.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def world(
    sandbox: Sandbox, mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path
) -> AsyncIterator[World]:
    client = connect(SecretStr(mongodb_uri))
    database = client[mongodb_database]
    await ensure_indexes(database)
    messages, blobs, store = (
        MessageRepository(database),
        BlobRepository(database),
        FilesystemStore(tmp_path / "uploads"),
    )
    async with running_broker(broker_url, PREVIEW.queues()) as broker:
        announcer = Announcer(Publisher(broker), service="previewer")
        yield World(
            handler=PreviewHandler(
                messages=messages,
                render_missing=RenderMissing(blobs=blobs, store=store, sandbox=sandbox),
                release=Release(database=database, store=store, clock=system_clock),
                announcer=announcer,
                policy=RetryPolicy(delays=(5, 30)),
                clock=system_clock,
            ),
            messages=messages,
            blobs=blobs,
            database=database,
            store=store,
            folder=tmp_path / "uploads",
        )
        await announcer.drain()
    client.close()


async def test_a_picture_becomes_ready_with_its_renditions(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(1600, 1200, orientation=6))

    assert await world.deliver(attachment) == []

    media = (await world.now(attachment)).media
    assert (media.status, media.revision) == (MediaStatus.READY, 2)
    assert media.wake_at is None
    assert (media.facts.width, media.facts.height) == (1200, 1600)
    assert media.facts.thumbhash
    assert set(media.storage.renditions) == {"thumb", "preview"}
    for name, edge in (("thumb", 320), ("preview", 1280)):
        rendition = media.storage.renditions[name]
        path = world.folder / rendition.key
        assert path.stat().st_size == rendition.size_bytes
        with Image.open(path) as picture:
            assert picture.size == (rendition.width, rendition.height)
            assert max(picture.size) == edge
    assert media.storage.original == attachment.media.storage.original
    assert {path.name for path in world.folder.iterdir()} >= {"incoming", "renditions"}
    assert list((world.folder / ".incomplete").iterdir()) == []


async def test_a_second_document_with_the_same_bytes_is_ready_without_decoding(world: World) -> None:
    content = images.png(400, 300)
    first = await world.stored("m1", content)
    await world.deliver(first)
    second = await world.stored("m2", content)
    made = {path: path.stat().st_mtime_ns for path in (world.folder / "renditions").rglob("*.webp")}
    # bytes of the same length that no decoder understands: who decodes again, fails
    world.path_of(second).write_bytes(bytes(len(content)))

    await world.deliver(second)

    assert (await world.now(second)).media.storage == (await world.now(first)).media.storage
    assert (await world.now(second)).media.facts == (await world.now(first)).media.facts
    assert {path: path.stat().st_mtime_ns for path in made} == made


@pytest.mark.parametrize("content", [images.truncated_jpeg(), images.png_bomb()], ids=["truncated", "bomb"])
async def test_an_unreadable_picture_keeps_its_original(content: bytes, world: World) -> None:
    attachment = await world.stored("m1", content)

    answer = await world.deliver(attachment)

    media = (await world.now(attachment)).media
    assert isinstance(answer, DeadLetter)
    assert answer.code is ErrorCode.PREVIEW_UNREADABLE
    assert media.status is MediaStatus.FAILED
    assert media.failure is not None
    assert (media.failure.stage, media.failure.code) == (FailureStage.PREVIEW, ErrorCode.PREVIEW_UNREADABLE)
    assert media.storage.original == attachment.media.storage.original
    assert world.path_of(attachment).read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04" + bytes(64), images.svg(), images.html(), b""], ids=["zip", "svg", "html", "empty"]
)
async def test_what_has_no_picture_is_ready_without_renditions(content: bytes, world: World) -> None:
    attachment = await world.stored("m1", content)

    assert await world.deliver(attachment) == []

    media = (await world.now(attachment)).media
    assert media.status is MediaStatus.READY
    assert media.storage.renditions == {}


async def test_a_missing_original_is_fetched_again(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))
    world.path_of(attachment).unlink()

    caused = await world.deliver(attachment)

    media = (await world.now(attachment)).media
    assert (media.status, media.attempts) == (MediaStatus.PENDING, 0)
    assert media.storage.original is None
    assert media.wake_at is not None
    assert isinstance(caused, list)
    (event,) = caused
    assert isinstance(event, MediaReceived)
    assert (event.media_id, event.provider_media_id) == ("m1", "700000000000001")


async def test_a_missing_original_is_noticed_though_its_renditions_exist(world: World) -> None:
    content = images.jpeg(16, 16)
    await world.deliver(await world.stored("m1", content))
    second = await world.stored("m2", content)
    world.path_of(second).unlink()

    await world.deliver(second)

    assert (await world.now(second)).media.status is MediaStatus.PENDING


async def test_what_is_known_of_the_bytes_may_be_lost(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))
    await world.database["blobs"].delete_many({})

    await world.deliver(attachment)

    assert (await world.now(attachment)).media.status is MediaStatus.READY


async def test_a_repeat_changes_nothing(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))
    await world.deliver(attachment)
    before = await world.now(attachment)

    assert await world.deliver(attachment) == []
    assert await world.deliver(attachment, redelivered=True) == []

    assert await world.now(attachment) == before


async def test_an_erased_document_needs_no_preview(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))
    await world.database["messages"].delete_many({})

    assert await world.deliver(attachment) == []


@pytest.mark.parametrize("moment", ["use", "rendering", "rendered"])
async def test_a_document_erased_while_its_preview_is_made_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    document = await world.stored("m1", images.jpeg(640, 480))
    original = document.media.storage.original
    assert original is not None

    async def erase() -> None:
        await world.database["messages"].delete_one({"_id": document.id})
        await Release(database=world.database, store=world.store, clock=system_clock).unreferenced(original.sha256)

    blobs = world.handler._render_missing._blobs
    step = getattr(blobs, moment)

    async def erased_after_it(*args: Any, **kwargs: Any) -> Any:
        answer = await step(*args, **kwargs)
        await erase()
        return answer

    monkeypatch.setattr(blobs, moment, erased_after_it)

    assert await world.deliver(document) in ([], Settled())

    assert [path for path in world.folder.rglob("*") if path.is_file()] == []
    assert await world.database["blobs"].count_documents({}) == 0


async def test_a_passing_failure_is_tried_again_and_then_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))

    async def away(_: str) -> int:
        raise StorageUnavailable("the storage folder cannot be used")

    monkeypatch.setattr(world.store, "size", away)

    answers = [await world.deliver(attachment, attempt=1)]
    waiting = (await world.now(attachment)).media
    answers += [await world.deliver(attachment, attempt=attempt) for attempt in (2, 3)]
    given_up = (await world.now(attachment)).media

    assert answers[:2] == [RetryIn(seconds=5), RetryIn(seconds=30)]
    assert waiting.status is MediaStatus.STORED
    assert waiting.next_attempt_at is not None
    assert waiting.failure is not None
    assert waiting.failure.stage is FailureStage.PREVIEW
    assert isinstance(answers[2], DeadLetter)
    assert given_up.status is MediaStatus.FAILED
    assert given_up.storage.original == attachment.media.storage.original


async def test_a_full_disk_is_a_passing_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder's process writes to the disk, too: what it could not write says nothing about the picture."""
    attachment = await world.stored("m1", images.jpeg(16, 16))

    async def full(*_: object) -> Rendered:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Sandbox, "render", full)
    answer = await world.deliver(attachment)
    monkeypatch.undo()

    failure = (await world.now(attachment)).media.failure
    assert answer == RetryIn(seconds=5)
    assert failure is not None
    assert failure.code is ErrorCode.STORAGE_FULL


async def test_a_kill_between_failed_and_buried_keeps_the_letter(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(64, 64)[:300])
    first = await world.deliver(attachment)
    before = await world.now(attachment)
    assert before.media.status is MediaStatus.FAILED

    again = await world.deliver(attachment, redelivered=True)

    assert isinstance(first, DeadLetter)
    assert isinstance(again, DeadLetter)
    assert (again.code, again.reason) == (first.code, first.reason)
    assert await world.now(attachment) == before


async def test_what_an_earlier_delivery_may_not_have_told_is_told(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))

    with capture_logs() as lines:
        await world.deliver(attachment, redelivered=True)

    told = [(line["status"], line["revision"]) for line in lines if line["event"] == "message_media_updated"]
    assert told == [("stored", 1), ("ready", 2)]


async def test_bytes_that_took_three_decoders_down_get_no_fourth(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))
    for _ in range(3):
        await world.blobs.crashed(make_media_stored(attachment).sha256)

    answer = await world.deliver(attachment)

    assert isinstance(answer, DeadLetter)
    assert answer.code is ErrorCode.PREVIEW_CRASHED
    assert (await world.now(attachment)).media.status is MediaStatus.FAILED


async def test_a_late_failure_does_not_undo_a_success(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))
    await world.deliver(attachment)

    decision = await world.handler.settle(
        make_media_stored(attachment),
        RuntimeError("late"),
        Delivery(attempt=1, redelivered=False, correlation_id="abc"),
    )

    assert isinstance(decision, Settled)
    assert (await world.now(attachment)).media.status is MediaStatus.READY
