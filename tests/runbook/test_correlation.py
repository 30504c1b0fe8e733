"""The way of one webhook through all services, up to the operator's screen."""

import json

import pytest

from tests.e2e.world import World
from tests.runbook.runner import Runbook
from tests.runbook.scenes import ready

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_one_correlation_id_leads_from_the_webhook_to_the_screen(live: World, runbook: Runbook) -> None:
    document = await ready(live, (await live.send("photo", seed=77_200)).id)
    await live.framed(document["messageId"], "ready")

    def is_told() -> bool | None:
        lines = live.stack.log_entries("media-server")
        told = [line for line in lines if line.get("mediaId") == document["_id"]]
        return any(line["event"] == "media_updated.shown" and line["status"] == "ready" for line in told) or None

    await live.until(is_told)

    ran = await runbook.run("one-correlation", replace={"q5examplecorrel": document["correlationId"]})

    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {line["service"] for line in lines} == set(live.stack.names)
    times = [line["timestamp"] for line in lines]
    assert times == sorted(times)
