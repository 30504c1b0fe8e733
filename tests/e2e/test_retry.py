"""A person asks for another try, by the API and by the command: the file is really downloaded again."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.e2e.world import JSON, World
from whatsapp_simulator import Fault, FaultName

pytestmark = pytest.mark.asyncio(loop_scope="session")

ATTACHE = Path(sys.executable).with_name("attache")
REFUSED_ONCE = Fault(name=FaultName.GRAPH_ERROR, code=131008, times=1)
SETTINGS = ("RABBITMQ_URL", "MONGODB_URI", "MONGODB_DATABASE")


async def by_api(world: World, failed: JSON) -> None:
    async with world.api.post(f"/api/messages/{failed['_id']}/retry") as response:
        assert response.status == 202, await response.text()


async def by_command(world: World, failed: JSON) -> None:
    await called(world, "retry", failed["messageId"])


async def by_command_for_all(world: World, failed: JSON) -> None:
    number, code = failed["phoneNumberId"], failed["media"]["failure"]["code"]
    await called(world, "retry-failed", "--code", code, "--number", number, "--since", "1h")


async def called(world: World, *arguments: str) -> None:
    environment = {"PATH": os.environ["PATH"]} | {name: world.settings[name] for name in SETTINGS}
    done = await asyncio.to_thread(
        lambda: subprocess.run(  # noqa: S603 - our own command
            [ATTACHE, *arguments], env=environment, capture_output=True, text=True, timeout=60
        )
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("seed", "retry"), [(9301, by_api), (9302, by_command), (9303, by_command_for_all)])
async def test_what_failed_is_downloaded_again(
    world: World, seed: int, retry: Callable[[World, JSON], Awaitable[None]]
) -> None:
    message = await world.send("photo", seed=seed, faults=[REFUSED_ONCE])
    failed = await world.ended(message.id)
    assert (failed["media"]["status"], failed["media"]["failure"]["code"]) == ("failed", "provider_rejected")
    media = world.simulator.media[-1]
    asked_before = world.simulator.requests.metadata(media.id)

    await retry(world, failed)

    frames = await world.framed(message.id, "ready")
    assert world.simulator.requests.metadata(media.id) == asked_before + 1
    shown = await world.shown(failed["_id"])
    status, content, _ = await world.fetched(shown["media"]["original"]["url"])
    assert (status, hashlib.sha256(content).hexdigest()) == (200, media.sha256)
    statuses = [frame["media"]["status"] for frame in frames]
    assert "pending" in statuses[statuses.index("failed") :]
