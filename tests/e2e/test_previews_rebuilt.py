"""After an upgrade: what an older version left is rebuilt while everything runs, and every screen is told."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.world import JSON, World, running_world
from tests.infrastructure import TestServers

pytestmark = pytest.mark.asyncio(loop_scope="module")

ATTACHE = Path(sys.executable).with_name("attache")
SETTINGS = ("RABBITMQ_URL", "MONGODB_URI", "MONGODB_DATABASE")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A world of its own: the command is about all that is there."""
    async with running_world(servers, tmp_path_factory.mktemp("rebuilt")) as world:
        yield world


async def rebuild(world: World, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"} | {name: world.settings[name] for name in SETTINGS}
    process = await asyncio.create_subprocess_exec(
        ATTACHE, *("previews", "rebuild", *arguments), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


async def from_before(world: World, sample: str, *, seed: int | None = None) -> JSON:
    """`ready` as a version left it that made no previews of such files."""
    message = await world.send(sample, seed=seed)
    document = await world.ended(message.id)
    assert document["media"]["status"] == "ready", document["media"].get("failure")
    world.messages.update_one({"_id": document["_id"]}, {"$set": {"media.storage.renditions": {}, "media.facts": {}}})
    world.database[world.database_name]["blobs"].update_one(
        {"_id": document["media"]["storage"]["original"]["sha256"]},
        {"$set": {"renditions": {}, "facts": {}}, "$unset": {"factsRecipe": ""}},
    )
    return document


@pytest.mark.parametrize("sample", ["photo", "pdf", "video", "voice", "zip"])
async def test_what_came_before_gets_what_a_new_one_gets(running: World, sample: str) -> None:
    before = await from_before(running, sample)
    wamid, revision = before["messageId"], before["media"]["revision"]

    assert "show the previews of today" in await rebuild(running, "--apply")

    await running.logged(wamid, revision=revision + 2)
    after = running.document(wamid)
    assert after is not None
    assert after["media"]["facts"] == before["media"]["facts"]
    assert after["media"]["storage"]["renditions"].keys() == before["media"]["storage"]["renditions"].keys()
    frames = [frame["media"] for frame in await running.framed(wamid, "ready") if frame["media"]["revision"] > revision]
    assert [frame["status"] for frame in frames][:1] == ["stored"]
    last = await running.until(lambda: last_frame(running, wamid, revision + 2))
    assert last["media"]["facts"] == after["media"]["facts"]
    assert last["media"]["renditions"].keys() == after["media"]["storage"]["renditions"].keys()
    shown = await running.shown(after["_id"])
    for file in (shown["media"]["original"], *shown["media"]["renditions"].values()):
        assert (await running.fetched(file["url"]))[0] == 200
    assert "there is nothing to rebuild" in await rebuild(running)


async def test_who_was_away_is_told_of_it_when_he_comes_back(running: World) -> None:
    before = await from_before(running, "photo", seed=82_000)
    since = f"{before['media']['updatedAt'].isoformat()}Z"
    await rebuild(running, "--apply")

    async with running.api.ws_connect("/api/events", params={"since": since}) as socket:
        async with asyncio.timeout(30):
            while (frame := await socket.receive_json())["message"]["id"] != before["_id"]:
                pass
            while frame["message"]["media"]["status"] != "ready":
                frame = await socket.receive_json()

    assert frame["message"]["media"]["revision"] == before["media"]["revision"] + 2
    assert frame["message"]["media"]["facts"] == before["media"]["facts"]
    assert frame["message"]["media"]["renditions"].keys() == before["media"]["storage"]["renditions"].keys()


def last_frame(world: World, wamid: str, revision: int) -> JSON | None:
    return next((frame for frame in world.frames.of(wamid) if frame["media"]["revision"] == revision), None)
