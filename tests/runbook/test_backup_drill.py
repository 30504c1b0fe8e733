"""The drill: a backup while traffic flows, everything wiped, a restore, and nothing is missing."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.world import JSON, World, running_world
from tests.infrastructure import TestServers
from tests.runbook.runner import Runbook
from tests.runbook.scenes import REFUSED, ready
from whatsapp_simulator import SAMPLES
from whatsapp_simulator.faults import Fault, FaultName

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITERS = ("ingestor", "previewer", "media-server")
EXAMPLE = "/backups/attache"
RETRY_SECONDS = 8


@asynccontextmanager
async def traffic(world: World) -> AsyncIterator[None]:
    """One photo after the other, until the block is left."""
    ended = asyncio.Event()

    async def send() -> None:
        for seed in count(78_200):
            if ended.is_set():
                return
            await world.send("photo", seed=seed)

    task = asyncio.create_task(send())
    try:
        yield
    finally:
        ended.set()
        await task


async def shown(world: World, ids: Sequence[str]) -> Mapping[str, tuple[str, Sequence[bytes]]]:
    """Of each attachment its status, and the bytes behind each of its links."""
    found = {}
    for each in ids:
        media = (await world.shown(each))["media"]
        files = [media.get("original"), *media.get("renditions", {}).values()]
        answers = [await world.fetched(file["url"]) for file in files if file]
        assert all(status == 200 for status, _, _ in answers)
        found[each] = (media["status"], [body for _, body, _ in answers])
    return found


def wiped(world: World) -> None:
    """Both disks are lost."""
    world.database.drop_database(world.database_name)
    shutil.rmtree(world.uploads)


async def test_everything_is_lost_and_nothing_is_missing(
    servers: TestServers, tmp_path: Path, runbook_of: Callable[[World], Runbook]
) -> None:
    backup = {EXAMPLE: str(tmp_path / "backups" / "attache")}
    delays = f"{RETRY_SECONDS},{RETRY_SECONDS}"
    async with running_world(servers, tmp_path / "data", RECONCILE_SECONDS="1", MEDIA_RETRY_DELAYS=delays) as world:
        runbook = runbook_of(world)
        sent = [await world.send(sample) for sample in SAMPLES]
        documents = [await world.ended(each.id) for each in sent]
        before = await shown(world, [each["_id"] for each in documents])
        waiting = await world.send("photo", seed=78_100, faults=[Fault(name=FaultName.SERVER_ERROR, times=1)])
        await world.until(lambda: _waits(world, waiting.id))

        async with traffic(world):
            await runbook.run("backup", replace=backup)
        await runbook.run("backup-check", replace=backup)
        later = await world.send("photo", seed=78_110, faults=[REFUSED])
        lost = world.simulator.media[-1]
        assert (await world.ended(later.id))["media"]["status"] == "failed"
        refused = await runbook.run("restore", replace=backup, code=2, shown=False)
        assert "at work; nothing was changed" in refused.stderr
        for name in WRITERS:
            await world.stack.terminate(name)
        meanwhile = await world.send("photo", seed=78_120)  # the gateway goes on
        wiped(world)

        await runbook.run("restore", replace=backup)
        for name in WRITERS:
            await world.stack.start(name)

        assert await shown(world, [*before]) == before
        await ready(world, meanwhile.id)
        await ready(world, waiting.id)  # whether its event is still in RabbitMQ or not
        await ready(world, (await world.send("photo", seed=78_130)).id)
        # it came after the backup, and its dead letter brings it back
        assert world.document(later.id) is None
        world.simulator.faults.put(lost.id)
        await runbook.run("restore-letters")
        await ready(world, later.id)
        await world.until(lambda: _nothing_is_under_way(world))
        await runbook.run("restore-see")


def _waits(world: World, wamid: str) -> JSON | None:
    document = world.document(wamid)
    return document if document is not None and "nextAttemptAt" in document["media"] else None


def _nothing_is_under_way(world: World) -> bool | None:
    return world.messages.count_documents({"media.status": {"$in": ["pending", "stored"]}}) == 0 or None
