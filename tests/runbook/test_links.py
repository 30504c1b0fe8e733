"""Signature errors and clocks: what a refused link says, and where a fresh one comes from."""

from pathlib import Path

import pytest

from tests.contract.processes import service
from tests.e2e.world import World
from tests.runbook.runner import Runbook
from tests.runbook.scenes import MEDIA_ID, ready

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def link(world: World, media_id: str) -> str:
    """A fresh signed link to the original."""
    url: str = (await world.shown(media_id))["media"]["original"]["url"]
    return url


async def test_a_refused_link_says_why_and_what_time_it_is_here(live: World, runbook: Runbook) -> None:
    document = await ready(live, (await live.send("photo", seed=73_100)).id)
    _, _, token, _ = (await link(live, document["_id"])).split("/")

    await runbook.run("link")
    forged = await runbook.run("link", replace={"exampletoken": f"{token[:-6]}AAAAAA"}, shown=False)

    assert '"code": "bad_signature"' in forged.stdout
    assert '"serverTime"' in forged.stdout


async def test_the_address_that_never_expires_leads_to_the_file(live: World, runbook: Runbook) -> None:
    message = await live.send("photo", seed=73_110)
    document = await ready(live, message.id)

    await runbook.run("fresh-link", replace={MEDIA_ID: document["_id"]})

    kept = live.uploads / document["media"]["storage"]["original"]["key"]
    assert (runbook.folder / "original").read_bytes() == kept.read_bytes()


async def test_clients_need_no_cache_to_be_cleared(live: World) -> None:
    """Each fetch of a message has links that work; the file behind them is the same."""
    document = await ready(live, (await live.send("photo", seed=73_120)).id)

    answers = [await live.fetched(await link(live, document["_id"])) for _ in range(2)]

    assert [status for status, _, _ in answers] == [200, 200]
    assert answers[0][1] == answers[1][1]


async def test_a_link_past_its_time_says_so(live: World, runbook: Runbook, tmp_path: Path) -> None:
    document = await ready(live, (await live.send("photo", seed=73_130)).id)
    short = {**live.settings, "FILES_URL_TTL_SECONDS": "1"}
    async with service("media_server", short, tmp_path) as server:
        headers = {"Authorization": f"Bearer {live.settings['OPERATOR_TOKEN']}"}
        async with live.api.get(f"{server.url}/api/messages/{document['_id']}", headers=headers) as response:
            url = (await response.json())["media"]["original"]["url"]

        async def expired() -> bool | None:
            async with live.api.get(server.url + url) as response:
                return True if response.status == 401 else None

        await live.until_told(expired)
    ran = await runbook.run("link", replace={"exampletoken": url.split("/")[2]}, shown=False)
    assert '"code": "token_expired"' in ran.stdout
