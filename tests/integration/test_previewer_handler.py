"""The previewer's work with real decoders in their sandbox, a real MongoDB and a real folder."""

import errno
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from prometheus_client import REGISTRY
from pydantic import SecretStr
from structlog.testing import capture_logs

from media_server.app import build_app
from previewer.failures import KeptWaiting
from previewer.handler import PreviewHandler
from previewer.render.job import Rendered
from previewer.render_missing import RenderMissing
from previewer.sandbox import Sandbox, SandboxUnavailable
from shared.broker.consumer import Delivery
from shared.broker.publisher import Publisher
from shared.broker.retry import DeadLetter, Decision, RetryIn, RetryPolicy, Settled
from shared.broker.topology import PREVIEW
from shared.clock import system_clock
from shared.errors import (
    ErrorCode,
    PermanentError,
    PipelineError,
    PreviewCrashed,
    PreviewError,
    PreviewOutOfMemory,
    PreviewTimeout,
    PreviewUnreadable,
    StorageFull,
    StorageUnavailable,
)
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
from tests import documents, films, images, sounds
from tests.amqp import running_broker
from tests.builders import make_attachment, make_media, make_media_stored, make_original
from tests.unit.media_server.server import authorization, make_settings


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


async def test_a_film_becomes_ready_with_a_poster_and_a_thumb_of_it(world: World) -> None:
    content = films.film(films.scene(15, 1920, 1080), sound="aac", rotation=-90)
    attachment = await world.stored("m1", content)

    assert await world.deliver(attachment) == []

    media = (await world.now(attachment)).media
    assert (media.status, media.facts.playable) == (MediaStatus.READY, True)
    assert (media.facts.width, media.facts.height) == (1080, 1920)
    assert media.facts.duration_seconds == pytest.approx(1.5, abs=0.05)
    assert {name: (made.width, made.height) for name, made in media.storage.renditions.items()} == {
        "poster": (720, 1280),
        "thumb": (180, 320),
    }


async def test_a_film_that_was_cut_off_keeps_its_original(world: World) -> None:
    content = films.without_index(films.film())
    attachment = await world.stored("m1", content)

    await world.deliver(attachment)

    media = (await world.now(attachment)).media
    assert media.status is MediaStatus.FAILED
    assert media.failure is not None
    assert media.failure.message.startswith("This video is damaged or cut off")
    assert world.path_of(attachment).read_bytes() == content


async def test_a_voice_note_is_drawn_and_plays_in_every_browser(
    world: World, mongodb_uri: str, mongodb_database: str
) -> None:
    attachment = await world.stored("m1", sounds.voice_note(sounds.speech(2.0)))

    assert await world.deliver(attachment) == []

    media = (await world.now(attachment)).media
    assert media.status is MediaStatus.READY
    assert media.facts.playable is False
    assert media.facts.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert set(media.storage.renditions) == {"waveform", "thumb", "playable"}
    settings = make_settings(storage_url=str(world.folder), mongodb_uri=mongodb_uri, mongodb_database=mongodb_database)
    async with TestClient(TestServer(build_app(settings)), headers=authorization()) as client:
        waveform = await client.get("/api/messages/m1/content/waveform")
        part = await client.get("/api/messages/m1/content/playable", headers={"Range": "bytes=0-7"})
        assert (waveform.status, waveform.content_type) == (200, "application/json")
        assert (await waveform.json())["durationSeconds"] == media.facts.duration_seconds
        assert (part.status, part.content_type) == (206, "audio/mp4")
        assert (await part.read())[4:] == b"ftyp"


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


@pytest.mark.parametrize(
    ("content", "label", "pages"),
    [
        (documents.pdf(documents.corners(595, 842), b"", media_box="0 0 595 842"), "PDF document, 2 pages", 2),
        (documents.pdf(b"", password="secret"), "PDF document, password-protected", None),
        (documents.office("word/document.xml"), "Word document", None),
        (documents.zip_of(["a", "b"]), "ZIP archive, 2 files", None),
        (b"Dear Ada,\nthe heating is off.\n", "Dear Ada,", None),
        (images.svg(), "SVG drawing", None),
    ],
    ids=["pdf", "locked pdf", "docx", "zip", "text", "svg"],
)
async def test_a_document_becomes_ready_with_what_people_call_it(
    content: bytes, label: str, pages: int | None, world: World
) -> None:
    attachment = await world.stored("m1", content)

    assert await world.deliver(attachment) == []

    media = (await world.now(attachment)).media
    made = media.storage.renditions
    assert (media.status, media.facts.label, media.facts.pages) == (MediaStatus.READY, label, pages)
    assert set(made) == ({"thumb", "preview"} if pages else set())
    assert bool(media.facts.thumbhash) is bool(pages)
    assert all((world.folder / each.key).stat().st_size == each.size_bytes for each in made.values())


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


async def test_a_missing_original_that_meta_has_deleted_does_not_cost_what_is_shown(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(640, 480))
    await world.deliver(attachment)
    shown = (await world.now(attachment)).media
    world.path_of(attachment).unlink()
    await world.database["messages"].update_one(
        {"_id": "m1"},
        {"$set": {"media.status": "stored", "media.deadline": system_clock() - timedelta(days=1)}},
    )

    with capture_logs() as lines:
        caused = await world.deliver(attachment)

    media = (await world.now(attachment)).media
    assert caused == []
    assert (media.status, media.storage, media.facts) == (MediaStatus.READY, shown.storage, shown.facts)
    (line,) = [line for line in lines if line["event"] == "original.missing"]
    assert "backup" in line["next"]


async def test_a_preview_that_is_made_anew_does_not_count_as_a_late_one(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(64, 48))
    await world.deliver(attachment)
    before = ages()
    await world.database["messages"].update_one({"_id": "m1"}, {"$set": {"media.status": "stored"}})

    await world.deliver(attachment)

    assert (await world.now(attachment)).media.status is MediaStatus.READY
    assert ages() == before


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


async def test_the_type_that_an_older_version_told_is_told_anew(world: World) -> None:
    content = films.film(films.scene(10, 176, 144), container="3gp", codec="h263", sound="libopencore_amrnb")
    attachment = await world.stored("m1", content)
    await world.database["blobs"].update_one({}, {"$set": {"mimeType": "application/octet-stream"}})

    await world.deliver(attachment)

    media = (await world.now(attachment)).media
    assert media.status is MediaStatus.READY
    assert set(media.storage.renditions) == {"poster", "thumb"}
    row = await world.database["blobs"].find_one({})
    assert row is not None
    assert row["mimeType"] == "video/3gpp"


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


async def test_bytes_that_took_two_decoders_down_get_no_third_in_any_conversation_until_somebody_asks(
    world: World,
) -> None:
    content = images.jpeg(16, 16)
    attachment, sha256 = await world.stored("m1", content), hashlib.sha256(content).hexdigest()
    for _ in range(2):
        await world.blobs.crashed(sha256)

    answer = await world.deliver(attachment)

    assert isinstance(answer, DeadLetter)
    assert answer.code is ErrorCode.PREVIEW_CRASHED
    assert answer.reason.endswith("The original can be downloaded.")
    assert (await world.now(attachment)).media.status is MediaStatus.FAILED
    await world.blobs.forgive(sha256)
    elsewhere = await world.stored("m2", content)
    await world.deliver(elsewhere)
    assert (await world.now(elsewhere)).media.status is MediaStatus.READY


@pytest.mark.parametrize(
    ("error", "crashes"),
    [(PreviewCrashed, 1), (PreviewTimeout, 1), (PreviewOutOfMemory, 0), (PreviewUnreadable, 0)],
)
async def test_only_what_costs_a_decoder_its_process_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch, error: type[PreviewError], crashes: int
) -> None:
    content = images.jpeg(16, 16)
    attachment = await world.stored("m1", content)

    async def failing(*_: object) -> Rendered:
        raise error("No preview.")

    monkeypatch.setattr(Sandbox, "render", failing)

    await world.deliver(attachment)

    blob = await world.blobs.use(hashlib.sha256(content).hexdigest())
    assert blob is not None
    assert blob.crashes == crashes


async def test_a_busy_machine_is_not_held_against_the_file_and_does_not_try_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = images.jpeg(16, 16)
    attachment = await world.stored("m1", content)

    async def starving(*_: object) -> Rendered:
        raise KeptWaiting("No preview.")

    monkeypatch.setattr(Sandbox, "render", starving)

    answers = [await world.deliver(attachment, attempt=attempt) for attempt in (1, 4)]

    blob = await world.blobs.use(hashlib.sha256(content).hexdigest())
    assert blob is not None
    assert blob.crashes == 0
    assert answers[0] == RetryIn(seconds=5)
    assert isinstance(answers[1], DeadLetter)
    failure = (await world.now(attachment)).media.failure
    assert failure is not None
    assert (failure.code, "too busy" in failure.message) == (ErrorCode.PREVIEW_TIMEOUT, True)


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


async def test_a_defect_is_a_sentence_for_the_agent_and_a_name_for_whoever_reads_the_log(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))
    delivery = Delivery(attempt=3, redelivered=False, correlation_id="abc")

    with capture_logs() as lines:
        decision = await world.handler.settle(make_media_stored(attachment), ZeroDivisionError("secret"), delivery)

    failure = (await world.now(attachment)).media.failure
    assert failure is not None
    assert (failure.stage, failure.code) == (FailureStage.PREVIEW, ErrorCode.INTERNAL)
    assert failure.message.endswith("The original can be downloaded.")
    assert isinstance(decision, DeadLetter)
    assert "ZeroDivisionError" in decision.reason
    (line,) = [line for line in lines if line["event"] == "preview.failed"]
    assert line["detail"] == "ZeroDivisionError"
    assert "secret" not in str(lines)


@pytest.mark.parametrize(
    "error",
    [
        StorageFull("no room left in the storage folder; free space or give it a larger disk"),
        StorageUnavailable("the storage folder cannot be used: Stale file handle"),
        SandboxUnavailable("no worker process can be started to make the preview"),
        PermanentError("given up: 10 deliveries ended without an answer", code=ErrorCode.PREVIEW_CRASHED),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("attempt", [1, 3])
async def test_whatever_the_reason_the_agent_gets_a_sentence_and_the_operator_the_words(
    world: World, error: PipelineError, attempt: int
) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))
    delivery = Delivery(attempt=attempt, redelivered=False, correlation_id="abc")

    with capture_logs() as lines:
        await world.handler.settle(make_media_stored(attachment), error, delivery)

    failure = (await world.now(attachment)).media.failure
    assert failure is not None
    assert failure.code is error.code
    assert failure.message.endswith("riginal can be downloaded.")
    assert not any(word in failure.message for word in ("folder", "process", "deliveries", "attempts", "handle"))
    (line,) = [line for line in lines if line["event"] == "preview.failed"]
    assert line["detail"] == error.message


async def test_a_decoders_words_are_logged_on_one_short_line_and_not_shown(world: World) -> None:
    attachment = await world.stored("m1", images.jpeg(16, 16))
    delivery = Delivery(attempt=1, redelivered=False, correlation_id="abc")
    error = PreviewUnreadable("This picture is damaged.", detail=f"line\n\x1b[31mtwo\u202e {'x' * 500}")

    with capture_logs() as lines:
        await world.handler.settle(make_media_stored(attachment), error, delivery)

    failure = (await world.now(attachment)).media.failure
    assert failure is not None
    assert failure.message == "This picture is damaged."
    (line,) = [line for line in lines if line["event"] == "preview.failed"]
    assert line["reason"] == "This picture is damaged."
    assert line["detail"].startswith("line [31mtwo x")
    assert len(line["detail"]) == 200


def ages() -> float | None:
    """How many attachments have told how old they were when they became ready."""
    return REGISTRY.get_sample_value("attache_media_age_seconds_count")
