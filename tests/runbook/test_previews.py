"""Previews after an upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.e2e.world import World, running_world
from tests.runbook.scenes import ready
from whatsapp_simulator.files import SAMPLES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.infrastructure import TestServers
    from tests.runbook.runner import Runbook

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def upgraded(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A running Attache of its own: the commands are about all that is there."""
    async with running_world(servers, tmp_path_factory.mktemp("upgraded")) as world:
        yield world


@pytest.fixture(scope="module")
def upgraded_runbook(upgraded: World, runbook_of: Callable[[World], Runbook]) -> Runbook:
    return runbook_of(upgraded)


async def test_what_an_older_version_made_is_shown_and_made_anew(upgraded: World, upgraded_runbook: Runbook) -> None:
    message = await upgraded.send("photo", seed=78_100)
    made = await ready(upgraded, message.id)
    thumb = made["media"]["storage"]["renditions"]["thumb"]
    older(upgraded, made["media"]["storage"]["original"]["sha256"], upgraded.uploads / thumb["key"])

    await upgraded_runbook.run("previews-show")
    before = upgraded.document(message.id) or {}
    assert before["media"]["revision"] == made["media"]["revision"]
    await upgraded_runbook.run("previews-rebuild")

    now = await ready(upgraded, message.id)
    assert now["media"]["storage"]["renditions"].keys() == made["media"]["storage"]["renditions"].keys()
    assert (upgraded.uploads / thumb["key"]).exists()
    shown = await upgraded_runbook.run("previews-show", shown=False)
    assert "there is nothing to rebuild" in shown.stdout


async def test_what_failed_is_tried_again_when_it_is_asked_for(upgraded: World, upgraded_runbook: Runbook) -> None:
    media = upgraded.simulator.add_media(SAMPLES["photo"].read(), kind=SAMPLES["photo"].kind, mime_type="image/jpeg")
    message = upgraded.simulator.message(upgraded.simulator.attachment(media))
    await upgraded.deliver(message)
    document = await ready(upgraded, message.id)
    sha256 = document["media"]["storage"]["original"]["sha256"]
    blobs = upgraded.database[upgraded.database_name]["blobs"]
    blobs.update_one({"_id": sha256}, {"$set": {"crashes": 2, "factsRecipe": 0}})
    failure = {"stage": "preview", "code": "preview_crashed", "message": "It crashed.", "at": document["sentAt"]}
    upgraded.messages.update_one(
        {"_id": document["_id"]}, {"$set": {"media.status": "failed", "media.failure": failure}}
    )

    await upgraded_runbook.run("previews-failed")

    await ready(upgraded, message.id)
    row = blobs.find_one({"_id": sha256}) or {}
    assert row["crashes"] == 0


def older(world: World, sha256: str, thumb: Path) -> None:
    """As if recipe 0 had made the thumb, and nobody had looked into the file since."""
    world.database[world.database_name]["blobs"].update_one(
        {"_id": sha256}, {"$set": {"renditions.thumb.recipe": 0, "factsRecipe": 0}}
    )
    thumb.unlink()
