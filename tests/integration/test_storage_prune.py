"""Only what no document refers to is removed, only when it is old, and only when told."""

import hashlib
import json
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.clock import system_clock
from shared.errors import StorageUnavailable
from shared.media import MediaStatus, Storage
from shared.release import Release
from shared.repository.blob_rows import BlobRows
from shared.repository.blobs import BlobRepository
from shared.repository.mongo import connect, ensure_indexes
from shared.repository.references import References
from shared.storage.filesystem import FilesystemStore
from shared.storage_check.census import Census
from shared.storage_check.prune import Prune
from tests.builders import make_attachment, make_media, make_original
from tests.integration.store_worlds import StoreWorld

MONTH, MINUTE = timedelta(days=30), timedelta(minutes=1)


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, tmp_path: Path) -> AsyncIterator[StoreWorld]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    folder = tmp_path / "uploads"
    folder.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": mongodb_database,
        "STORAGE_URL": str(folder),
        "COLUMNS": "200",
    }
    yield StoreWorld(database=client[mongodb_database], folder=folder, environment=environment)
    client.close()


def pruning(world: StoreWorld, *, older_than: timedelta = MONTH, store: FilesystemStore | None = None) -> Prune:
    store = store or FilesystemStore(world.folder)
    references, rows = References(world.database), BlobRows(world.database)
    return Prune(
        references=references,
        rows=rows,
        census=Census(references=references, rows=rows, store=store),
        release=Release(database=world.database, store=store, clock=system_clock),
        store=store,
        clock=system_clock,
        older_than=older_than,
    )


async def unneeded_content(world: StoreWorld, name: str) -> set[str]:
    """A content that a document had; its files."""
    attachment = await world.ready(name)
    await world.database["messages"].delete_one({"_id": name})
    return {str(path.relative_to(world.folder)) for path in (world.path(attachment), world.thumb(attachment))}


async def test_a_dry_run_shows_and_removes_nothing(world: StoreWorld) -> None:
    await world.ready("m-needed")
    await unneeded_content(world, "m-gone")
    orphan = world.original(b"orphan")
    world.file(orphan, b"orphan")
    before = world.files()

    shown = world.attache("prune")

    assert shown.returncode == 0, shown.stderr
    assert f"{world.original(b'm-gone')}: " in shown.stdout
    assert f"{orphan}: " in shown.stdout
    assert "m-needed" not in shown.stdout
    assert world.original(b"m-needed") not in shown.stdout
    assert "Nothing was removed." in shown.stdout
    assert world.files() == before
    assert await world.database["blobs"].count_documents({}) == 2


async def test_only_what_is_not_needed_and_old_is_removed(world: StoreWorld) -> None:
    await world.ready("m-needed")
    gone = await unneeded_content(world, "m-gone")
    orphan = world.original(b"orphan")
    old_thumb = f"renditions/{orphan.split('/')[1]}/{orphan.split('/')[2].removesuffix('.bin')}/thumb-1.webp"
    world.file(orphan, b"orphan")
    world.file(old_thumb, b"webp")
    world.file(world.original(b"young orphan"), b"young orphan", ago=timedelta(days=29))
    young = await world.row(b"young row", ago=timedelta(days=29))
    world.file(young, b"young row")
    world.file("incoming/00/by hand.jpg", b"by hand")
    before = world.files()

    pruned = world.attache("prune", "--apply")
    again = world.attache("prune", "--apply")

    assert pruned.returncode == 0, pruned.stderr
    assert before - world.files() == gone | {orphan, old_thumb}
    assert pruned.stdout.endswith("Removed.\n")
    (audit,) = [line for line in map(json.loads, pruned.stderr.splitlines()) if line["event"] == "storage.pruned"]
    assert (audit["files"], audit["bytes"]) == (4, len(b"m-gone") + len(b"webp") + len(b"orphan") + len(b"webp"))
    shown = [[cell.strip() for cell in line.strip("│").split("│")] for line in pruned.stdout.splitlines()]
    assert ["originals with their previews", "3", "16 bytes"] in shown
    assert ["previews alone", "1", "4 bytes"] in shown
    assert await world.database["blobs"].count_documents({}) == 2
    assert "there is nothing to remove" in again.stdout


async def test_the_age_is_chosen(world: StoreWorld) -> None:
    young = await world.row(b"young row", ago=timedelta(days=2))
    world.file(young, b"young row")

    kept = world.attache("prune", "--older-than", "3d", "--apply")
    assert world.files() == {young}
    removed = world.attache("prune", "--older-than", "36h", "--apply")

    assert (kept.returncode, removed.returncode) == (0, 0)
    assert world.files() == set()


async def test_what_a_document_comes_to_refer_to_is_spared(world: StoreWorld) -> None:
    """Between the look and the removal."""
    await unneeded_content(world, "m1")
    orphan = world.original(b"m2")
    world.file(orphan, b"m2")
    prune = pruning(world)
    found = [each for part in (prune.contents, prune.orphans) async for each in part(lambda: None)]
    assert sorted(each.key for each in found) == sorted([world.original(b"m1"), orphan])
    await world.ready("m1")
    await world.ready("m2")
    before = world.files()

    removed = [await prune.remove(each) for each in found]

    assert removed == [False, False]
    assert world.files() == before


async def test_a_file_under_way_is_no_orphan_whatever_age_is_asked_for(world: StoreWorld) -> None:
    """A rendition may be in the store for a moment before its row names it."""
    attachment = await world.ready("m1")
    under_way = str(world.thumb(attachment).relative_to(world.folder)).replace("thumb", "preview")
    world.file(under_way, b"webp", ago=MINUTE)

    assert world.attache("prune", "--older-than", "0s", "--apply").returncode == 0

    assert under_way in world.files()


async def test_what_is_gone_when_it_is_to_be_removed_is_fine(world: StoreWorld) -> None:
    path = world.file(world.original(b"orphan"), b"orphan")
    await unneeded_content(world, "m1")
    prune = pruning(world)
    found = [each for part in (prune.contents, prune.orphans) async for each in part(lambda: None)]
    path.unlink()
    await world.database["blobs"].delete_many({})

    assert [await prune.remove(each) for each in found] == [False, False]


@pytest.mark.parametrize("has_row", [True, False], ids=["with a row", "without"])
async def test_a_file_that_a_document_shows_stays_though_the_digest_in_it_is_wrong(
    world: StoreWorld, has_row: bool
) -> None:
    await world.ready("m1")
    await world.database["messages"].update_one({"_id": "m1"}, {"$set": {"media.storage.original.sha256": "0" * 64}})
    if not has_row:
        await world.database["blobs"].delete_many({})
    before = world.files()

    pruned = world.attache("prune", "--older-than", "0s", "--apply")
    store = FilesystemStore(world.folder)
    sha256 = hashlib.sha256(b"m1").hexdigest()
    released = await Release(database=world.database, store=store, clock=system_clock).unreferenced(sha256)

    assert world.files() == before
    assert "there is nothing to remove" in pruned.stdout
    assert not released


async def written(world: StoreWorld, content: bytes) -> bool:
    """As the ingestor does: the row, the bytes, the document; then it looks whether they are live."""
    sha256, key = hashlib.sha256(content).hexdigest(), world.original(content)
    blobs, store = BlobRepository(world.database), FilesystemStore(world.folder)
    blob = await blobs.reserve(sha256, key=key, size_bytes=len(content), mime_type="image/png")
    async with store.workspace() as folder:
        (folder / "bytes").write_bytes(content)
        await store.put(folder / "bytes", blob.key)
    original = make_original(key=blob.key, size_bytes=len(content), sha256=sha256)
    media = make_media(status=MediaStatus.STORED, storage=Storage(original=original))
    await world.database["messages"].insert_one(make_attachment(id="m-new", media=media).to_document())
    return await blobs.is_live(sha256)


async def test_a_writer_beside_the_removal_of_an_orphan_sees_that_it_goes(world: StoreWorld) -> None:
    """Between the last look and the removal itself."""
    content = b"the same bytes"
    told: list[bool] = []

    class Beside(FilesystemStore):
        async def delete(self, key: str) -> None:
            try:
                told.append(await written(world, content))
            except StorageUnavailable:
                told.append(False)
            await super().delete(key)

    world.file(world.original(content), content)
    prune = pruning(world, store=Beside(world.folder))
    (orphan,) = [each async for each in prune.orphans(lambda: None)]

    assert await prune.remove(orphan)

    assert told == [False], "the writer does not rely on bytes that are gone"
    assert world.files() == set()
    assert await world.database["blobs"].count_documents({}) == 0


async def test_a_writer_right_after_the_last_look_keeps_its_bytes(world: StoreWorld) -> None:
    content = b"the same bytes"
    told: list[bool] = []

    class Beside(FilesystemStore):
        async def size(self, key: str) -> int:
            found = await super().size(key)
            told.append(await written(world, content))
            return found

    world.file(world.original(content), content)
    prune = pruning(world, store=Beside(world.folder))
    (orphan,) = [each async for each in prune.orphans(lambda: None)]

    assert not await prune.remove(orphan)

    assert told == [True]
    assert world.files() == {world.original(content)}
