"""The disk is full, or nearly; clearing cached media; whether the files are what the database says."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.disk import MIB, small_disk
from tests.e2e.world import World, running_world
from tests.infrastructure import TestServers
from tests.runbook.runner import Runbook
from tests.runbook.scenes import metric, ready, said

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG_AGO = 1_700_000_000


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def small(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A running Attache whose files are on a small disk of its own."""
    folder = tmp_path_factory.mktemp("small")
    async with small_disk(folder / "disk", attachments=10) as disk:
        settings = {"STORAGE_URL": str(disk.uploads), "STORAGE_MIN_FREE_BYTES": str(disk.floor_bytes)}
        async with running_world(servers, folder / "data", **settings) as world:
            yield world


@pytest.fixture(scope="module")
def small_runbook(small: World, runbook_of: Callable[[World], Runbook]) -> Runbook:
    return runbook_of(small)


def files(world: World) -> Path:
    return Path(world.settings["STORAGE_URL"])


def forgotten_file(world: World, *, size_bytes: int) -> Path:
    """A file that nobody refers to and nobody has used for long."""
    stale = files(world) / "incoming" / "ab" / f"{'ab' * 32}.jpg"
    stale.parent.mkdir(parents=True, exist_ok=True)
    with stale.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
    os.utime(stale, (LONG_AGO, LONG_AGO))
    return stale


async def test_only_what_no_attachment_needs_is_removed(small: World, small_runbook: Runbook) -> None:
    document = await ready(small, (await small.send("photo", seed=74_100)).id)
    kept = files(small) / document["media"]["storage"]["original"]["key"]
    stale = forgotten_file(small, size_bytes=1)

    await small_runbook.run("prune")

    assert not stale.exists()
    assert kept.exists()


async def test_a_file_that_is_missing_is_found_and_brought_back(small: World, small_runbook: Runbook) -> None:
    message = await small.send("photo", seed=74_110)
    document = await ready(small, message.id)
    original = files(small) / document["media"]["storage"]["original"]["key"]
    bytes_before = original.read_bytes()
    await small_runbook.run("storage-check")
    original.unlink()

    found = await small_runbook.run("storage-check", code=1, shown=False)
    assert "original missing" in found.stdout
    assert document["_id"] in found.stdout
    await small_runbook.run("storage-repair")

    await small.logged(message.id, revision=document["media"]["revision"] + 2)
    await ready(small, message.id)
    assert original.read_bytes() == bytes_before
    await small_runbook.run("storage-check")


async def test_a_full_disk_stops_downloads_until_there_is_room(small: World, small_runbook: Runbook) -> None:
    floor = int(small.settings["STORAGE_MIN_FREE_BYTES"])
    too_much = shutil.disk_usage(files(small)).free - floor + min(floor // 2, 64 * MIB)
    stale = forgotten_file(small, size_bytes=too_much)
    await said(small, "ingestor", "storage.floor_reached")
    waiting = await small.send("photo", seed=74_120)  # still accepted

    assert str(floor) in (await small_runbook.run("disk-log")).stdout
    not_ready = await small_runbook.run("down-ready", shown=False)
    assert "STORAGE_MIN_FREE_BYTES" in not_ready.stdout
    await small_runbook.run("disk-free")
    await metric(small, "ingestor", "attache_storage_bytes_free", lambda free: free < floor)
    assert small.document(waiting.id) is None, "nothing is taken, and no attempt is burned"
    await small_runbook.run("prune")

    assert not stale.exists()
    await said(small, "ingestor", "storage.room_again")
    await small_runbook.run("disk-room-log")
    assert (await ready(small, waiting.id))["media"]["attempts"] == 1
