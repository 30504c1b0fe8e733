"""`make up DEMO=1`: Attache in containers with a simulated WhatsApp beside it."""

from typing import Any

import pytest

from tests.compose.site import FINAL, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

_KINDS = {"image", "video", "audio", "voice", "document", "sticker"}


async def test_the_simulator_sends_one_of_each_kind_and_each_ends_as_it_should(site: Site) -> None:
    before = {message["id"] for message in await _messages(site)}

    told = (await site.project.make("up", "DEMO=1")).stdout

    async def all_ended() -> list[Any] | None:
        messages = [message for message in await _messages(site) if message["id"] not in before]
        kinds = {message["kind"] for message in messages}
        ended = all(message["media"]["status"] in FINAL for message in messages)
        return messages if kinds >= _KINDS and ended else None

    messages = await until(all_ended, seconds=60)
    assert site.project.url in told
    # one of the kinds is a file that Meta itself could not deliver
    assert {message["media"].get("failure", {}).get("code") for message in messages} <= {None, "provider_rejected"}


async def test_it_is_refused_where_a_real_number_is_saved(site: Site) -> None:
    await site.project.make("instance-set", "COMPOSE=1", "NUMBER=106540352242922", stdin=site.access_token)

    refused = await site.project.make("up", "DEMO=1", code=2)

    assert "The number 106540352242922 is saved here" in refused.stderr
    await site.project.compose("run", "--rm", "attache", "instance-delete", "106540352242922")


async def _messages(site: Site) -> list[Any]:
    """The newest of every conversation."""
    found: list[Any] = []
    async with site.api.get("/api/conversations?limit=200") as response:
        conversations = (await response.json())["items"]
    for conversation in conversations:
        async with site.api.get(f"/api/conversations/{conversation['id']}/messages?limit=200") as response:
            found += (await response.json())["items"]
    return found
