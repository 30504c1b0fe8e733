"""A webhook is refused."""

import pytest

from tests.e2e.world import World
from tests.runbook.runner import Runbook

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_wrong_app_secret_is_in_the_log_with_the_reason(live: World, runbook: Runbook) -> None:
    body = b'{"object": "whatsapp_business_account", "entry": []}'
    delivery = await live.simulator.send_body(body, app_secret="not the secret of this app")
    assert set(delivery.statuses) == {401}

    await runbook.run("refused-log")

    assert (await live.simulator.send_body(body)).accepted, "with the right secret it is taken"
