"""The main job through nginx: signed webhooks go in, signed links and live messages come out."""

import json
from io import BytesIO

import aiohttp
import pytest

from local_stack.demo.plan import shipments
from local_stack.demo.watch import Watcher
from tests.compose.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

_LIMIT_BYTES = 104857600  # the default, which the Compose file leaves as it is
_SECONDS = 90.0
# Run in the media-server's own container: what nginx gets from it for a link.
_ASK_BEHIND_NGINX = """
import json, sys, urllib.request
with urllib.request.urlopen("http://127.0.0.1:8081" + sys.argv[1]) as answer:
    print(json.dumps({"headers": dict(answer.headers), "bytes": len(answer.read())}))
"""


async def test_each_attachment_of_the_demo_ends_as_it_should_and_its_links_give_its_bytes(site: Site) -> None:
    planned = shipments(site.meta, limit_bytes=_LIMIT_BYTES)
    middle = len(planned) // 2

    async with Watcher(site.api, planned, media_server=site.project.url, on_end=lambda: None) as watcher:
        for batch in (planned[:middle], planned[middle:]):
            watcher.sent(batch)
            await site.deliver(*(shipment.message for shipment in batch))
        await watcher.until_all_ended(seconds=_SECONDS)
        outcomes = await watcher.outcomes()

    assert len(outcomes) == 31
    assert {outcome.shipment.label: outcome.wrong for outcome in outcomes if outcome.wrong} == {}


async def test_nginx_sends_the_bytes_and_the_media_server_only_says_which(site: Site) -> None:
    [shown] = await site.ended([await site.send("photo", seed=101)])
    original = shown["media"]["original"]

    behind = json.loads(
        await site.project.compose(
            *("exec", "--no-TTY", "media-server", "python", "-c", _ASK_BEHIND_NGINX, original["url"])
        )
    )
    async with aiohttp.ClientSession(site.project.url) as browser:
        async with browser.get(original["url"]) as whole:
            body = await whole.read()
        async with browser.get(original["url"], headers={"Range": "bytes=10-19"}) as part:
            ten = await part.read()
        async with browser.get(original["url"], headers={"If-None-Match": whole.headers["ETag"]}) as again:
            unchanged = again.status

    assert (behind["bytes"], "X-Accel-Redirect" in behind["headers"]) == (0, True)
    assert (whole.status, len(body)) == (200, original["sizeBytes"])
    assert "X-Accel-Redirect" not in whole.headers
    assert whole.headers["Content-Type"] == "image/jpeg"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert (part.status, ten) == (206, body[10:20])
    assert unchanged == 304


async def test_a_webhook_that_is_not_signed_is_refused_and_one_that_is_too_large_too(site: Site) -> None:
    url = f"{site.project.url}/webhooks/whatsapp"
    async with aiohttp.ClientSession() as stranger:
        async with stranger.post(url, json={"object": "whatsapp_business_account"}) as unsigned:
            pass
        async with stranger.post(url, data=BytesIO(bytes(5 * 1024 * 1024))) as large:
            pass

    assert (unsigned.status, large.status) == (401, 413)
