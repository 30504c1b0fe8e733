"""`make doctor` as the operations guide shows it, on a running Attache."""

import pytest

from tests.doctors import settings_of
from tests.e2e.world import World
from tests.runbook.runner import Runbook
from whatsapp_simulator import Simulator

pytestmark = pytest.mark.asyncio(loop_scope="session")


def addresses(world: World) -> dict[str, str]:
    """Where the services of this world are; everything else stands in `.env`."""
    return {
        name: value for name, value in settings_of(world).items() if name.endswith("_URL") and value.startswith("http:")
    }


async def test_the_doctor_says_that_nothing_is_wrong(live: World, runbook: Runbook) -> None:
    message = await live.send("photo", seed=95_001)
    await live.ended(message.id)

    ran = await runbook.run("doctor", env=addresses(live))

    assert "✗" not in ran.stdout


async def test_the_doctor_shows_which_clock_is_wrong(live: World, runbook: Runbook) -> None:
    async with Simulator(app_secret="another", access_token=live.settings["WHATSAPP_ACCESS_TOKEN"]) as meta:
        meta.clock.advance(90)

        ran = await runbook.run("clocks", env=addresses(live) | {"WHATSAPP_GRAPH_URL": meta.base_url}, code=1)

    assert "behind Meta" in ran.stdout
    right = await runbook.run("clocks", env=addresses(live), shown=False)
    assert "✓  clocks" in right.stdout
