"""What `attache storage check --repair` does to documents, rows and files, and what it leaves alone.

That what it sets going arrives: `tests/e2e/test_storage_repair.py`.
"""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.broker.topology import INGEST, PREVIEW
from shared.events import MediaReceived, MediaStored, decode
from shared.media import MediaStatus
from shared.repository.mongo import connect, ensure_indexes
from tests.amqp import Onlooker, onlooker, running_broker
from tests.integration.store_worlds import StoreWorld


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path) -> AsyncIterator[StoreWorld]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    folder = tmp_path / "uploads"
    folder.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "RABBITMQ_URL": broker_url,
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": mongodb_database,
        "STORAGE_URL": str(folder),
        "COLUMNS": "200",
    }
    yield StoreWorld(database=client[mongodb_database], folder=folder, environment=environment)
    client.close()


@pytest.fixture
async def outside(broker_url: str) -> AsyncIterator[Onlooker]:
    async with running_broker(broker_url, (*INGEST.queues(), *PREVIEW.queues())), onlooker(broker_url) as outside:
        yield outside


async def media(world: StoreWorld, name: str) -> dict[str, Any]:
    document = await world.database["messages"].find_one({"_id": name})
    assert document is not None
    found: dict[str, Any] = document["media"]
    return found


async def test_missing_originals_that_live_are_announced_again_nearest_deadline_first(
    world: StoreWorld, outside: Onlooker
) -> None:
    for name, days in (("m-late", 6.0), ("m-soon", 1.0), ("m-expired", -1.0)):
        attachment = await world.ready(name, days_left=days)
        world.path(attachment).unlink()

    repaired = world.attache("check", "--repair")

    announced = [decode(MediaReceived, (await outside.take(INGEST.name)).body).media_id for _ in range(2)]
    assert announced == ["m-soon", "m-late"]
    assert await outside.is_empty(INGEST.name)
    assert repaired.returncode == 1
    assert "1 of 3 that were wrong are left." in repaired.stdout
    assert "m-expired" in next(line for line in repaired.stdout.splitlines() if "Meta has deleted it" in line)
    for name in announced:
        again = await media(world, name)
        assert (again["status"], again["attempts"], again["revision"]) == ("pending", 0, 2)
        assert "original" not in again["storage"]
    assert (await media(world, "m-expired"))["revision"] == 1


async def test_a_damaged_original_is_removed_only_if_it_can_be_downloaded_again(
    world: StoreWorld, outside: Onlooker
) -> None:
    lives, expired = await world.ready("m-lives"), await world.ready("m-expired", days_left=-1)
    unknown = await world.ready("m-upload", days_left=None, provider_media_id=None)
    for each in (lives, expired, unknown):
        content = bytearray(world.path(each).read_bytes())
        content[0] ^= 1
        world.path(each).write_bytes(content)

    repaired = world.attache("check", "--repair", "--all")

    assert decode(MediaReceived, (await outside.take(INGEST.name)).body).media_id == "m-lives"
    assert not world.path(lives).exists()
    assert world.path(expired).read_bytes() == b"l-expired"
    assert world.path(unknown).read_bytes() == b"l-upload"
    assert (await media(world, "m-expired"))["status"] == "ready"
    assert repaired.returncode == 1


async def test_the_row_does_not_promise_renditions_that_went_with_the_original(
    world: StoreWorld, outside: Onlooker
) -> None:
    attachment = await world.ready("m1")
    world.path(attachment).unlink()
    world.thumb(attachment).unlink()

    repaired = world.attache("check", "--repair")

    assert repaired.returncode == 0, repaired.stdout
    assert (await media(world, "m1"))["status"] == "pending"
    row = await world.database["blobs"].find_one({})
    assert row is not None
    assert row["renditions"] == {}
    assert await outside.is_empty(PREVIEW.name)


async def test_an_expired_attachment_comes_back_with_another_that_has_the_same_file(
    world: StoreWorld, outside: Onlooker
) -> None:
    await world.ready("m-expired", b"same", days_left=-1)
    world.path(await world.ready("m-lives", b"same")).unlink()

    repaired = world.attache("check", "--repair")

    assert repaired.returncode == 0
    assert "comes back with another attachment" in repaired.stdout
    assert decode(MediaReceived, (await outside.take(INGEST.name)).body).media_id == "m-lives"


async def test_a_missing_rendition_is_made_again_and_not_named_meanwhile(world: StoreWorld, outside: Onlooker) -> None:
    attachment = await world.ready("m1", days_left=-1)
    world.thumb(attachment).unlink()

    repaired = world.attache("check", "--repair")

    assert repaired.returncode == 0, repaired.stdout
    assert decode(MediaStored, (await outside.take(PREVIEW.name)).body).media_id == "m1"
    again = await media(world, "m1")
    assert again["status"] == MediaStatus.STORED
    assert again["storage"]["renditions"] == {}
    assert again["storage"]["original"]["key"] == world.original(b"m1")
    row = await world.database["blobs"].find_one({})
    assert row is not None
    assert row["renditions"] == {}


async def test_stale_rows_and_unfinished_files_go_and_orphans_stay(world: StoreWorld) -> None:
    await world.ready("m1")
    await world.row(b"stale")
    orphan = world.file(world.original(b"orphan"), b"orphan")
    left = world.file(".incomplete/old/original", b"half", ago=timedelta(hours=2))
    os.utime(left.parent, (left.stat().st_mtime,) * 2)

    repaired = world.attache("check", "--repair")

    assert repaired.returncode == 1
    assert "1 of 3 that were wrong are left." in repaired.stdout
    assert await world.database["blobs"].count_documents({}) == 1
    assert not left.exists()
    assert orphan.exists()


async def test_a_key_that_was_written_by_hand_and_leads_out_of_the_store_is_never_followed(
    world: StoreWorld, outside: Onlooker
) -> None:
    await world.ready("m1")
    elsewhere = world.folder.with_name("elsewhere")
    elsewhere.write_bytes(b"not ours")
    await world.database["messages"].update_one({}, {"$set": {"media.storage.original.key": "../elsewhere"}})

    repaired = world.attache("check", "--repair")

    assert repaired.returncode == 0, repaired.stderr
    assert elsewhere.exists()
    assert decode(MediaReceived, (await outside.take(INGEST.name)).body).media_id == "m1"


async def test_a_second_repair_finds_nothing_more_to_do(world: StoreWorld, outside: Onlooker) -> None:
    world.path(await world.ready("m1")).unlink()
    world.thumb(await world.ready("m2")).unlink()

    first, second = world.attache("check", "--repair"), world.attache("check", "--repair")

    assert (first.returncode, second.returncode) == (0, 0)
    assert "Nothing is wrong." in second.stdout
    await outside.take(INGEST.name)
    await outside.take(PREVIEW.name)
    assert await outside.is_empty(INGEST.name)
    assert await outside.is_empty(PREVIEW.name)


async def test_what_only_a_person_can_correct_is_left_and_said_so(world: StoreWorld, outside: Onlooker) -> None:
    for name, field, value in (("m-digest", "sha256", "0" * 64), ("m-size", "sizeBytes", 999)):
        await world.ready(name)
        await world.database["messages"].update_one({"_id": name}, {"$set": {f"media.storage.original.{field}": value}})
    await world.ready("m-row")
    await world.database["blobs"].update_one({"key": world.original(b"m-row")}, {"$set": {"key": "../x"}})
    await world.row(b"nobody's", key="../nobodys")
    before = world.files()

    repaired = world.attache("check", "--repair")

    assert repaired.returncode == 1
    assert "3 of 4 that were wrong are left." in repaired.stdout
    assert world.files() == before
    assert await outside.is_empty(INGEST.name)
    assert await world.database["blobs"].count_documents({"key": "../nobodys"}) == 0


async def test_a_file_whose_document_is_sent_back_is_seen_to_by_the_ingestor(
    world: StoreWorld, outside: Onlooker
) -> None:
    attachment = await world.ready("m1")
    world.path(attachment).write_bytes(b"xx")

    assert world.attache("check", "--repair", "--all").returncode == 0

    (row,) = [each async for each in world.database["blobs"].find()]
    assert row["wakeAt"] is not None, "should the document be erased now, nobody else knows of the previews"
