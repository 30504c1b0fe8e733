"""What the logs say; a look at the demo."""

import json

import pytest

from tests.e2e.world import World
from tests.runbook.runner import Runbook
from tests.runbook.scenes import MEDIA_ID, ready

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_one_attachment_is_followed_through_all_services(live: World, runbook: Runbook) -> None:
    document = await ready(live, (await live.send("photo", seed=78_100)).id)
    await live.logged(document["messageId"], revision=document["media"]["revision"])

    ran = await runbook.run("one-attachment", replace={MEDIA_ID: document["_id"]})

    assert len({json.loads(line)["correlationId"] for line in ran.stdout.splitlines()}) == 1


async def test_the_demos_addresses_are_read_from_its_file(live: World, runbook: Runbook) -> None:
    demo = {"mediaServerUrl": live.stack.url("media-server"), "operatorToken": live.settings["OPERATOR_TOKEN"]}
    (runbook.folder / ".local" / "demo.json").write_text(json.dumps(demo))

    await runbook.run("demo")
