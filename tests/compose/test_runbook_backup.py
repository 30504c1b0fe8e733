"""Back up and restore: both volumes are lost, and nothing is missing."""

import pytest

from tests.compose.site import Site
from tests.runbook.runner import Runbook

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def served(site: Site, ours: str) -> bytes:
    """The original, by a fresh link."""
    async with site.api.get(f"/api/messages/{ours}/content/original") as response:
        assert response.status == 200, await response.text()
        return await response.read()


async def test_both_volumes_are_lost_and_restored(site: Site, runbook: Runbook) -> None:
    sent = [await site.send("photo", seed=seed) for seed in (5300, 5301)]
    assert [shown["media"]["status"] for shown in await site.ended(sent)] == ["ready", "ready"]
    before = [await served(site, each.id) for each in sent]

    await runbook.run("backup", seconds=300)
    await runbook.run("backup-check", seconds=300)
    await runbook.run("compose-restore-stop")
    volumes = {f"attache_{name}": f"{site.project.name}_{name}" for name in ("mongodb", "media")}
    await runbook.run("compose-restore-empty", replace=volumes, seconds=300)
    await runbook.run("restore", seconds=300)
    await runbook.run("compose-restore-start", seconds=300)

    await runbook.run("restore-see", seconds=300)
    assert [await served(site, each.id) for each in sent] == before
    new = await site.send("photo", seed=5302)
    assert [shown["media"]["status"] for shown in await site.ended([new])] == ["ready"]
