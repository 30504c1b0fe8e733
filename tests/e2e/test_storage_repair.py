"""`attache storage check --repair` with the four services running: what it sets going arrives."""

import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.world import JSON, World, running_world
from tests.infrastructure import TestServers

ATTACHE = Path(sys.executable).with_name("attache")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A store of its own: what others leave in theirs would be found too."""
    async with running_world(servers, tmp_path_factory.mktemp("repair")) as world:
        yield world


def checked(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    names = ("RABBITMQ_URL", "MONGODB_URI", "MONGODB_DATABASE", "STORAGE_URL")
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"} | {name: world.settings[name] for name in names}
    return subprocess.run(  # noqa: S603 - our own command
        [ATTACHE, "storage", "check", *arguments], env=environment, capture_output=True, text=True, timeout=60
    )


async def ready(world: World, *, seed: int) -> JSON:
    message = await world.send("photo", seed=seed)
    document = await world.ended(message.id)
    assert document["media"]["status"] == "ready"
    return document


async def ready_again(world: World, document: JSON, *, revisions: int) -> JSON:
    """The document after at least that many changes, once it is ready."""

    def arrived() -> JSON | None:
        now = world.document(document["messageId"])
        assert now is not None
        media = now["media"]
        is_later = media["revision"] >= document["media"]["revision"] + revisions
        return now if is_later and media["status"] == "ready" else None

    return await world.until(arrived)


def original_of(world: World, document: JSON) -> Path:
    key: str = document["media"]["storage"]["original"]["key"]
    return world.uploads / key


async def test_a_running_pipeline_is_in_order(running: World) -> None:
    for seed in (1, 2):
        await running.send("photo", seed=seed)

    # whether or not they have arrived by now
    under_way = checked(running, "--all")

    assert under_way.returncode == 0, under_way.stdout + under_way.stderr


async def test_a_missing_original_is_downloaded_again(running: World) -> None:
    document = await ready(running, seed=11)
    original_of(running, document).unlink()

    found, repaired = checked(running), checked(running, "--repair")

    assert found.returncode == 1
    assert f"original missing: {document['_id']}" in found.stdout
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    again = await ready_again(running, document, revisions=3)
    assert again["media"]["storage"] == document["media"]["storage"]
    assert original_of(running, again).exists()
    running.originals()
    assert checked(running, "--all").returncode == 0


async def test_a_damaged_original_is_replaced(running: World) -> None:
    document = await ready(running, seed=12)
    content = bytearray(original_of(running, document).read_bytes())
    content[-1] ^= 1
    original_of(running, document).write_bytes(content)

    repaired = checked(running, "--all", "--repair")

    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert f"original damaged: {document['_id']}" in repaired.stdout
    again = await ready_again(running, document, revisions=3)
    sha256 = hashlib.sha256(original_of(running, again).read_bytes()).hexdigest()
    assert sha256 == again["media"]["storage"]["original"]["sha256"]
    assert checked(running, "--all").returncode == 0


async def test_missing_renditions_are_made_again(running: World) -> None:
    document = await ready(running, seed=13)
    keys = [made["key"] for made in document["media"]["storage"]["renditions"].values()]
    for key in keys:
        (running.uploads / key).unlink()

    repaired = checked(running, "--repair")

    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    again = await ready_again(running, document, revisions=2)
    assert again["media"]["storage"] == document["media"]["storage"]
    assert all((running.uploads / key).exists() for key in keys)
    assert checked(running, "--all").returncode == 0
