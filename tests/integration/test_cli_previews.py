"""`attache previews rebuild`, as an operator types it, with a real previewer beside it."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from pydantic import SecretStr

from previewer.handler import PreviewHandler
from previewer.render_missing import RenderMissing
from previewer.sandbox import Sandbox
from shared.broker.consumer import Consumer
from shared.broker.publisher import Publisher
from shared.broker.retry import RetryPolicy
from shared.broker.topology import INGEST, PREVIEW
from shared.clock import system_clock
from shared.errors import ErrorCode
from shared.events import MediaStored
from shared.keys import Folder, original_key, rendition_key
from shared.media import Attachment, FailureStage, MediaKind, MediaStatus, Rendition, Storage
from shared.release import Release
from shared.repository.blob_rows import BlobRows
from shared.repository.blobs import MOST_CRASHES, BlobRepository
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from shared.repository.previewed import Previewed, Wanted
from shared.repository.references import References
from shared.sniff import sniff
from shared.storage.filesystem import FilesystemStore
from shared.storage_check.census import Census
from shared.storage_check.prune import Prune
from shared.updates import Announcer
from tests import images
from tests.amqp import running_broker
from tests.builders import NUMBER, make_attachment, make_failure, make_media, make_original

ATTACHE = Path(sys.executable).with_name("attache")
DIGEST = "media.storage.original.sha256"
QUEUES = [*PREVIEW.queues((5, 30)), *INGEST.queues()]


@dataclass(frozen=True, kw_only=True)
class World:
    """Documents, files and queues; the previewer is started where a test wants it."""

    database: Database
    messages: MessageRepository
    blobs: BlobRepository
    store: FilesystemStore
    folder: Path
    environment: dict[str, str]
    sandbox: Sandbox

    async def put(
        self, name: str, content: bytes, *, status: MediaStatus = MediaStatus.STORED, **fields: Any
    ) -> Attachment:
        """An attachment whose original is stored."""
        sha256, sniffed = hashlib.sha256(content).hexdigest(), sniff(content)
        key = original_key(Folder.INCOMING, sha256=sha256, extension=sniffed.extension)
        blob = await self.blobs.reserve(sha256, key=key, size_bytes=len(content), mime_type=sniffed.mime_type)
        (self.folder / key).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / key).write_bytes(content)
        original = make_original(key=key, mime_type=sniffed.mime_type, size_bytes=len(content), sha256=sha256)
        renditions = {each: Rendition(**made.model_dump(exclude={"recipe"})) for each, made in blob.renditions.items()}
        storage = Storage(original=original, renditions=renditions)
        failure = fields.pop("failure", None)
        media = make_media(status=status, storage=storage, facts=blob.facts, failure=failure)
        change = await self.messages.insert(make_attachment(id=name, media=media, **fields))
        assert change is not None
        return change.attachment

    async def of_old(self, name: str, content: bytes, **fields: Any) -> Attachment:
        """`ready` as an earlier version left it: its facts were told by no recipe of today."""
        attachment = await self.put(name, content, status=MediaStatus.READY, **fields)
        await self.database["blobs"].update_one({"_id": sha256_of(content)}, {"$unset": {"factsRecipe": ""}})
        return attachment

    async def now(self, name: str) -> Attachment:
        found = await self.messages.get(name)
        assert found is not None
        return found

    async def revisions(self) -> dict[str, int]:
        found = self.database["messages"].find({}, {"media.revision": 1})
        return {document["_id"]: document["media"]["revision"] async for document in found}

    async def rebuild(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = await self.started(*arguments)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return subprocess.CompletedProcess(arguments, process.returncode or 0, out.decode(), err.decode())

    async def started(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            ATTACHE,
            *("previews", "rebuild", *arguments),
            env=self.environment,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @asynccontextmanager
    async def previewer(self) -> AsyncIterator[None]:
        """At work."""
        policy = RetryPolicy(delays=(5, 30))
        async with running_broker(self.environment["RABBITMQ_URL"], QUEUES) as broker:
            publisher = Publisher(broker)
            announcer = Announcer(publisher, service="previewer")
            handler = PreviewHandler(
                messages=self.messages,
                render_missing=RenderMissing(blobs=self.blobs, store=self.store, sandbox=self.sandbox),
                release=Release(database=self.database, store=self.store, clock=system_clock),
                announcer=announcer,
                policy=policy,
                clock=system_clock,
            )
            consumer = Consumer(
                broker=broker,
                publisher=publisher,
                queue=PREVIEW,
                event_type=MediaStored,
                handler=handler,
                policy=policy,
                prefetch=16,
                service="previewer",
                poison_code=ErrorCode.PREVIEW_CRASHED,
            )
            await consumer.start()
            try:
                yield
            finally:
                await consumer.stop(grace_seconds=5)
                await announcer.drain()


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
    database, folder = client[mongodb_database], tmp_path / "uploads"
    await ensure_indexes(database)
    yield World(
        database=database,
        messages=MessageRepository(database),
        blobs=BlobRepository(database),
        store=FilesystemStore(folder),
        folder=folder,
        environment={
            "PATH": os.environ["PATH"],
            "COLUMNS": "200",
            "MONGODB_URI": mongodb_uri,
            "MONGODB_DATABASE": mongodb_database,
            "RABBITMQ_URL": broker_url,
        },
        sandbox=sandbox,
    )
    client.close()


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def rows(output: str) -> dict[str, int]:
    """The second table: what became of how many."""
    table = output.rpartition("Rebuild of previews")[2]
    cells = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in table.splitlines() if "│" in line]
    return {row[1].partition(":")[0].partition(",")[0]: int(row[0]) for row in cells}


def renderings() -> float:
    """How many files went to a decoder and came back with previews."""
    names = "attache_preview_seconds_count"
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == names and sample.labels["outcome"] == "ok"
    )


# what is chosen


async def test_without_apply_it_is_only_shown(world: World) -> None:
    await world.of_old("mphoto", images.jpeg(64, 48))
    await world.of_old("mcopy", images.jpeg(64, 48))
    await world.of_old("mzip", b"PK\x05\x06" + bytes(18), kind=MediaKind.DOCUMENT)
    before = await world.revisions()

    shown = await world.rebuild()

    assert shown.returncode == 0, shown.stderr
    table = [[cell.strip() for cell in line.strip("│").split("│")] for line in shown.stdout.splitlines()]
    assert [row[:3] for row in table if row[0] in {"document", "image", "all"}] == [
        ["document", "1", "1"],
        ["image", "2", "1"],
        ["all", "3", "2"],
    ]
    assert "Nothing was changed." in shown.stdout
    assert await world.revisions() == before


async def test_what_came_before_an_upgrade_gets_what_is_made_today(world: World) -> None:
    await world.of_old("mphoto", images.jpeg(640, 480))

    async with world.previewer():
        done = await world.rebuild("--apply")

    assert done.returncode == 0, done.stderr
    assert rows(done.stdout) == {"show the previews of today": 1}
    media = (await world.now("mphoto")).media
    assert (media.status, media.revision) == (MediaStatus.READY, 3)
    assert set(media.storage.renditions) == {"thumb", "preview"}
    assert (media.facts.width, media.facts.height) == (640, 480)
    (audit,) = [line for line in map(json.loads, done.stderr.splitlines()) if line["event"] == "previews.rebuilt"]
    assert audit["outcomes"] == {"rebuilt": 1}


async def test_what_is_current_is_not_touched(world: World) -> None:
    await world.put("mphoto", images.jpeg(64, 48))
    async with world.previewer():
        await world.database["blobs"].update_many({}, {"$unset": {"factsRecipe": ""}})
        await world.database["messages"].update_many({}, {"$set": {"media.status": "ready"}})
        await world.rebuild("--apply")
        before = await world.revisions()

        again = await world.rebuild("--apply")

    assert again.returncode == 0, again.stderr
    assert "there is nothing to rebuild" in again.stdout
    assert await world.revisions() == before


async def test_a_new_recipe_makes_a_new_file_and_keeps_the_thumbhash(world: World) -> None:
    content = images.jpeg(640, 480)
    await made(world, "mphoto", content)
    before = (await world.now("mphoto")).media
    await older_recipe(world, content, "thumb")

    async with world.previewer():
        await world.rebuild("--apply")

    media = (await world.now("mphoto")).media
    assert {each.key for each in media.storage.renditions.values()} == {
        each.key for each in before.storage.renditions.values()
    }
    assert media.facts == before.facts.model_copy(update={"thumbhash": media.facts.thumbhash})
    assert media.facts.thumbhash


async def test_a_type_that_could_not_be_told_then_is_told_now(world: World) -> None:
    content = images.jpeg(640, 480)
    await world.of_old("mphoto", content)
    await world.database["blobs"].update_many({}, {"$set": {"mimeType": "application/octet-stream"}})

    async with world.previewer():
        await world.rebuild("--apply")

    assert set((await world.now("mphoto")).media.storage.renditions) == {"thumb", "preview"}
    row = await BlobRows(world.database).get(sha256_of(content))
    assert row is not None
    assert row.mime_type == "image/jpeg"


@pytest.mark.parametrize(
    ("filters", "rebuilt"),
    [(["--kind", "image"], {"mhere", "mother"}), (["--number", NUMBER], {"mhere", "msticker"}), ([], None)],
)
async def test_filters_narrow(world: World, filters: list[str], rebuilt: set[str] | None) -> None:
    await world.of_old("mhere", images.jpeg(10, 10))
    await world.of_old("mother", images.jpeg(11, 11), phone_number_id="999")
    await world.of_old("msticker", images.jpeg(12, 12), kind=MediaKind.STICKER)

    async with world.previewer():
        done = await world.rebuild(*filters, "--apply")

    assert done.returncode == 0, done.stderr
    changed = {name for name, revision in (await world.revisions()).items() if revision > 1}
    assert changed == (rebuilt or {"mhere", "mother", "msticker"})


@pytest.mark.parametrize("wrong", [["--kind", "painting"], ["--number", "+1 555"], ["--at-once", "0"]])
async def test_a_filter_that_cannot_be_is_wrong_usage(world: World, wrong: list[str]) -> None:
    assert (await world.rebuild(*wrong)).returncode == 2


# what happens meanwhile


async def test_the_old_previews_are_shown_until_the_new_ones_are_there(world: World) -> None:
    content = images.jpeg(640, 480)
    await made(world, "mphoto", content)
    before = (await world.now("mphoto")).media
    await older_recipe(world, content, "thumb")

    process = await world.started("--apply")  # no previewer is at work
    await until(world, "mphoto", MediaStatus.STORED)

    media = (await world.now("mphoto")).media
    assert (media.storage, media.facts) == (
        before.storage.model_copy(update={"renditions": media.storage.renditions}),
        before.facts,
    )
    assert set(media.storage.renditions) == {"thumb", "preview"}
    assert all((world.folder / each.key).exists() for each in media.storage.renditions.values())
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert process.returncode == 1
    assert rows(out.decode()) == {"under way still": 1}
    assert "The same command goes on" in err.decode()
    async with world.previewer():
        await until(world, "mphoto", MediaStatus.READY)


async def test_no_more_than_a_few_are_in_the_queue_so_that_new_ones_need_not_wait_for_all(world: World) -> None:
    for number in range(12):
        await world.of_old(f"m{number}", images.jpeg(20 + number, 20))

    process = await world.started("--apply", "--at-once", "3")
    await until_count(world, 3)
    assert await queued(world) == 3
    async with world.previewer():
        await until_count(world, 12, status=MediaStatus.READY, revision=3)
        out, _ = await process.communicate()

    assert rows(out.decode()) == {"show the previews of today": 12}


async def test_stopped_and_begun_again_it_goes_on_with_the_rest(world: World) -> None:
    for number in range(100):
        await world.of_old(f"m{number}", images.png(8 + number, 8))
    async with world.previewer():
        process = await world.started("--apply")
        await until_count(world, 5, status=MediaStatus.READY, revision=3)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
        counts = rows(out.decode())
        assert process.returncode == 1
        assert sum(counts.values()) == 100
        begun = 100 - counts["left"]
        assert 0 < begun < 100

        again = await world.rebuild("--apply")

    assert again.returncode == 0, again.stderr
    assert Counter((await world.revisions()).values()) == {3: 100}


async def test_the_same_file_in_many_conversations_is_rendered_once(world: World) -> None:
    content, before = images.jpeg(640, 480), renderings()
    for number in range(50):
        await world.of_old(f"m{number}", content, conversation_id=f"c{number}")

    async with world.previewer():
        done = await world.rebuild("--apply")

    assert rows(done.stdout) == {"show the previews of today": 50}
    assert renderings() - before == 1
    assert {len((await world.now(f"m{number}")).media.storage.renditions) for number in range(50)} == {2}


async def test_an_attachment_that_shows_less_than_is_known_is_told_without_a_decoder(world: World) -> None:
    content = images.jpeg(64, 48)
    await made(world, "mphoto", content)
    await world.put("mstale", content, status=MediaStatus.READY)
    await world.database["messages"].update_one({"_id": "mstale"}, {"$set": {"media.storage.renditions": {}}})
    before = renderings()

    async with world.previewer():
        done = await world.rebuild("--apply")

    assert rows(done.stdout) == {"show the previews of today": 1}
    assert renderings() == before
    assert (await world.now("mstale")).media.storage == (await world.now("mphoto")).media.storage


async def test_an_attachment_whose_bytes_nobody_knows_any_more_is_found(world: World) -> None:
    await made(world, "mphoto", images.jpeg(64, 48))
    await world.database["blobs"].delete_many({})

    async with world.previewer():
        done = await world.rebuild("--apply")

    assert rows(done.stdout) == {"show the previews of today": 1}
    assert await world.database["blobs"].count_documents({"factsRecipe": {"$gt": 0}}) == 1


async def test_what_is_broken_by_hand_is_left_and_stops_nothing(world: World) -> None:
    await world.of_old("mphoto", images.jpeg(64, 48))
    await world.of_old("mrow", images.jpeg(65, 48))
    await world.database["blobs"].update_one({"_id": sha256_of(images.jpeg(65, 48))}, {"$unset": {"key": ""}})
    await world.of_old("mdigest", images.jpeg(66, 48))
    await world.database["messages"].update_one({"_id": "mdigest"}, {"$set": {f"{DIGEST}": "abc"}})
    await world.of_old("mremoved", images.jpeg(67, 48))
    await world.database["blobs"].update_one({"_id": sha256_of(images.jpeg(67, 48))}, {"$set": {"state": "deleting"}})

    async with world.previewer():
        done = await world.rebuild("--apply")

    assert rows(done.stdout) == {"show the previews of today": 1}
    assert "blob.unreadable" in done.stderr


async def test_a_batch_may_end_amid_the_attachments_of_one_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.repository.previewed._AT_ONCE", 2)
    for number in range(7):
        await world.of_old(f"m{number}", images.jpeg(20 + number // 3, 20))

    found = [batch async for batch in Previewed(world.database).batches(Wanted())]

    contents = [content for _, contents in found for content in contents]
    assert sorted(len(content.attachments) for content in contents) == [1, 3, 3]
    assert len({content.sha256 for content in contents}) == 3
    assert sum(looked_at for looked_at, _ in found) == await Previewed(world.database).count(Wanted()) == 7


# what goes wrong


async def test_a_file_that_cannot_be_shown_any_more_costs_one_attachment_and_not_its_picture(world: World) -> None:
    content = images.truncated_jpeg()
    for number in range(3):
        await world.of_old(f"m{number}", content)
    await old_thumb(world, content, [f"m{number}" for number in range(3)])

    async with world.previewer():
        done = await world.rebuild("--apply")

    assert done.returncode == 1
    assert rows(done.stdout) == {"failed": 1, "left as they are": 2}
    media = [(await world.now(f"m{number}")).media for number in range(3)]
    assert Counter(each.status for each in media) == {MediaStatus.FAILED: 1, MediaStatus.READY: 2}
    assert all("thumb" in each.storage.renditions for each in media)


async def test_once_a_file_has_failed_the_next_rebuild_leaves_the_others_with_it_alone(world: World) -> None:
    content = images.truncated_jpeg()
    for number in range(3):
        await world.of_old(f"m{number}", content)
    async with world.previewer():
        await world.rebuild("--apply")
        before = await world.revisions()

        again = await world.rebuild("--apply")
        assert await world.revisions() == before
        asked = await world.rebuild("--failed", "--apply")

    assert again.returncode == 0
    assert "2 stay as they are: the same file failed in another attachment" in again.stdout
    assert rows(asked.stdout) == {"failed": 1, "left as they are": 2}


async def test_a_previewer_that_fails_at_everything_does_not_cost_all_attachments_their_ready(world: World) -> None:
    for number in range(30):
        await world.of_old(f"m{number:02}", images.truncated_jpeg() + bytes(number))

    async with world.previewer():
        done = await world.rebuild("--apply", "--at-once", "2")

    assert done.returncode == 1
    assert "one after another" in done.stderr
    failed = await world.database["messages"].count_documents({"media.status": "failed"})
    assert 10 <= failed <= 12
    assert rows(done.stdout)["left"] == 30 - failed


async def test_what_failed_is_left_unless_it_is_asked_for(world: World) -> None:
    failure = make_failure(stage=FailureStage.PREVIEW, code=ErrorCode.PREVIEW_CRASHED)
    content = images.jpeg(64, 48)
    attachment = await world.put("mfailed", content, status=MediaStatus.FAILED, failure=failure)
    for _ in range(MOST_CRASHES):
        await world.blobs.crashed(sha256_of(content))

    async with world.previewer():
        assert "there is nothing to rebuild" in (await world.rebuild("--apply")).stdout
        assert await world.now("mfailed") == attachment
        done = await world.rebuild("--failed", "--apply")

    assert done.returncode == 0, done.stderr
    assert (await world.now("mfailed")).media.status is MediaStatus.READY


async def test_a_file_that_took_decoders_down_is_left_with_what_it_shows(world: World) -> None:
    content = images.jpeg(64, 48)
    attachment = await world.of_old("mphoto", content)
    for _ in range(MOST_CRASHES):
        await world.blobs.crashed(sha256_of(content))

    async with world.previewer():
        done = await world.rebuild("--apply")

    assert done.returncode == 0
    assert "1 stay as they are" in done.stdout
    assert await world.now("mphoto") == attachment


# afterwards


async def test_what_older_recipes_made_is_pruned_and_what_is_shown_stays(world: World) -> None:
    content = images.jpeg(640, 480)
    await made(world, "mphoto", content)
    await older_recipe(world, content, "thumb")
    dropped = await with_rendition(world, content, "contact-sheet", recipe=1, attachments=["mphoto"])
    old = (await world.now("mphoto")).media.storage.renditions["thumb"].key
    async with world.previewer():
        await world.rebuild("--apply")
    media = (await world.now("mphoto")).media
    assert set(media.storage.renditions) == {"thumb", "preview"}
    shown = {each.key for each in media.storage.renditions.values()}
    assert old not in shown
    long_ago = (system_clock() - timedelta(days=40)).timestamp()
    for path in (world.folder / "renditions").rglob("*.webp"):
        os.utime(path, (long_ago, long_ago))

    references, rows_ = References(world.database), BlobRows(world.database)
    prune = Prune(
        references=references,
        rows=rows_,
        census=Census(references=references, rows=rows_, store=world.store),
        release=Release(database=world.database, store=world.store, clock=system_clock),
        store=world.store,
        clock=system_clock,
        older_than=timedelta(days=30),
    )
    removed = [each.key async for each in prune.orphans(lambda: None) if await prune.remove(each)]

    assert sorted(removed) == sorted([old, dropped])
    assert all((world.folder / key).exists() for key in shown)


# how it comes to be


async def made(world: World, name: str, content: bytes) -> None:
    """`ready`, made by today's recipes."""
    await world.of_old(name, content)
    async with world.previewer():
        await world.rebuild("--apply")


async def older_recipe(world: World, content: bytes, name: str) -> None:
    """As if this rendition had been made by recipe 0: in the row, in its file's name, and in every document."""
    row = await BlobRows(world.database).get(sha256_of(content))
    assert row is not None
    now = row.renditions[name]
    key = rendition_key(sha256=row.id, name=name, recipe=0, extension="webp")
    (world.folder / now.key).rename(world.folder / key)
    await world.database["blobs"].update_one(
        {"_id": row.id}, {"$set": {f"renditions.{name}.key": key, f"renditions.{name}.recipe": 0}}
    )
    await world.database["messages"].update_many({}, {"$set": {f"media.storage.renditions.{name}.key": key}})


async def with_rendition(world: World, content: bytes, name: str, *, recipe: int, attachments: list[str]) -> str:
    """As if an earlier version had made one of this name; its key."""
    key = rendition_key(sha256=sha256_of(content), name=name, recipe=recipe, extension="webp")
    (world.folder / key).parent.mkdir(parents=True, exist_ok=True)
    (world.folder / key).write_bytes(b"webp")
    shown = Rendition(key=key, mime_type="image/webp", width=8, height=8, size_bytes=4).to_document()
    await world.database["blobs"].update_one(
        {"_id": sha256_of(content)}, {"$set": {f"renditions.{name}": shown | {"recipe": recipe}}}
    )
    await world.database["messages"].update_many(
        {"_id": {"$in": attachments}}, {"$set": {f"media.storage.renditions.{name}": shown}}
    )
    return key


async def old_thumb(world: World, content: bytes, attachments: list[str]) -> None:
    await with_rendition(world, content, "thumb", recipe=0, attachments=attachments)


async def until(world: World, name: str, status: MediaStatus) -> None:
    async with asyncio.timeout(30):
        while (await world.now(name)).media.status is not status:  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.02)


async def until_count(world: World, count: int, *, status: MediaStatus = MediaStatus.STORED, revision: int = 2) -> None:
    query = {"media.status": status.value, "media.revision": revision}
    async with asyncio.timeout(30):
        while await world.database["messages"].count_documents(query) < count:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def queued(world: World) -> int | None:
    """Events in the previewer's queue, once all that are coming have come."""
    async with await aio_pika.connect(world.environment["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        async with asyncio.timeout(30):
            while True:
                queue = await channel.get_queue(PREVIEW.name)
                waiting = await world.database["messages"].count_documents({"media.status": "stored"})
                if queue.declaration_result.message_count == waiting:
                    return waiting
                await asyncio.sleep(0.02)
