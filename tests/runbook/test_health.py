"""Before you type; is it healthy?"""

import pytest

from tests.e2e.world import World
from tests.runbook.runner import Runbook

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_shortcuts_set_what_later_blocks_need(runbook: Runbook) -> None:
    assert (await runbook.run("shortcuts")).seen == ""


async def test_each_service_says_that_it_is_ready(live: World, runbook: Runbook) -> None:
    ran = await runbook.run("ready")

    assert ran.stdout.count('"status": "ready"') == len(live.stack.names)
