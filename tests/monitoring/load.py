"""Traffic in which everything happens that a metric can tell of: what goes well, what is refused, and what fails.

async with watched(folder, **LOADED) as (world, prom):
    await load(world)     # about 10 s; a second time gives every counter a second value
"""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from media_server.signing import File, Links
from tests.contract.overheard import publish
from tests.contract.webhooks import media_message, new_wamid, signed, status_webhook, webhook
from tests.e2e.world import LIMIT_BYTES, World
from tests.monitoring.stack import BODY_BYTES
from whatsapp_simulator import SAMPLES, BusinessNumber, Fault, FaultName, Media, Step

LOADED = {"MEDIA_LIFETIME_HOURS": "20"}
"""Settings of a world for this load: so little time that what waits is at risk."""
REFUSED_NUMBER = "209900000000002"
"""A number with an instance whose token Meta refuses."""
UNKNOWN_NUMBER = "209900000000001"
"""A number that uses the default instance."""

_WEBHOOKS = "/webhooks/whatsapp"
_AT_ONCE = 16  # bodies of the largest size, for which the gateway has room

_PASSING = (
    Fault(name=FaultName.SERVER_ERROR, times=1),
    Fault(name=FaultName.GRAPH_ERROR, code=131000, times=1),
    Fault(name=FaultName.RATE_LIMITED, times=1),
    Fault(name=FaultName.HTTP_STATUS, at=Step.DOWNLOAD, status=502, times=1),
    Fault(name=FaultName.RESET, times=1),
    Fault(name=FaultName.TRUNCATED, times=1),
)
_FINAL = (
    Fault(name=FaultName.EXPIRED),
    Fault(name=FaultName.GONE),
    Fault(name=FaultName.CORRUPT),
    Fault(name=FaultName.FORBIDDEN, at=Step.DOWNLOAD),
)


async def load(world: World) -> None:
    """Return when everything that was sent has ended; what is at fault stays as it is."""
    await _refuse_a_number(world)
    wamids = await _send(world)
    await asyncio.gather(_webhooks_that_are_not_taken(world), _too_many_bodies(world))
    await asyncio.gather(*(world.ended(wamid) for wamid in wamids))
    await _follow_links(world)
    async with world.api.ws_connect("/api/events"):
        await publish(world.settings["RABBITMQ_URL"], "media.received", b"{}", exchange="media.events")


async def _refuse_a_number(world: World) -> None:
    """Once it is saved, Meta lets its token expire."""
    token = secrets.token_urlsafe(24)
    number = BusinessNumber(phone_number_id=REFUSED_NUMBER)
    world.simulator.add_number(number, access_token=token)
    url = f"{world.stack.url('media-server')}/api/whatsapp-instances/{REFUSED_NUMBER}"
    admin = {"Authorization": f"Bearer {world.settings['ADMIN_TOKEN']}"}
    instance = {"displayName": "Refused", "accessToken": token}
    async with aiohttp.ClientSession(headers=admin) as client, client.put(url, json=instance) as response:
        assert response.status == 200, await response.text()
    world.simulator.tokens.expire(token)
    unknown = BusinessNumber(phone_number_id=UNKNOWN_NUMBER)
    world.simulator.add_number(unknown, access_token=world.settings["WHATSAPP_ACCESS_TOKEN"])


async def _send(world: World) -> Sequence[str]:
    """One of each fate; their wamids."""
    simulator = world.simulator
    photo = SAMPLES["photo"]

    def media(*faults: Fault, sample: str = "photo", number: str | None = None) -> Media:
        owner = None if number is None else simulator.number_of(number)
        return simulator.add_sample(sample, size_bytes=40_000, seed=secrets.randbits(32), faults=faults, number=owner)

    same = simulator.add_sample("photo", size_bytes=41_000, seed=1)
    ours = [
        *(media(sample=sample) for sample in ("photo", "pdf", "voice", "video", "sticker", "transparent")),
        same,
        *(media(fault) for fault in (*_PASSING, *_FINAL)),
        simulator.add_sample("pdf", size_bytes=LIMIT_BYTES + 1),
        simulator.add_media(photo.read()[:600], kind=photo.kind, mime_type="image/jpeg"),
    ]
    messages = [media_message(each) for each in ours] + [media_message(same), _not_delivered()]
    await _accepted(world, *messages)
    await _accepted(world, messages[0])  # a duplicate, as Meta sends them
    for number in (REFUSED_NUMBER, UNKNOWN_NUMBER):
        elsewhere = [media_message(media(number=number)) for _ in range(2)]
        await _accepted(world, *elsewhere, number=number)
        messages += elsewhere
    return [message["id"] for message in messages]


def _not_delivered() -> dict[str, Any]:
    """Media that Meta itself could not deliver."""
    error = {"code": 131052, "title": "Media download error"}
    return {**media_message_head(), "type": "unsupported", "errors": [error]}


def media_message_head() -> dict[str, Any]:
    """What every entry of `messages[]` has."""
    return {"from": "15550177331", "id": new_wamid(), "timestamp": str(int(datetime.now(UTC).timestamp()))}


async def _accepted(world: World, *messages: dict[str, Any], number: str | None = None) -> None:
    body = webhook(*messages, phone_number_id=number or world.simulator.number.phone_number_id)
    assert await _post(world, body, signed(body, world.settings["WHATSAPP_APP_SECRET"])) == 200


async def _post(world: World, body: bytes, headers: dict[str, str]) -> int:
    url = world.stack.url("webhook-gateway") + _WEBHOOKS
    async with aiohttp.ClientSession() as client, client.post(url, data=body, headers=headers) as response:
        return response.status


async def _webhooks_that_are_not_taken(world: World) -> None:
    """Refused for their signature or size, parked, or of no interest."""
    secret = world.settings["WHATSAPP_APP_SECRET"]
    number = world.simulator.number.phone_number_id
    cannot_be_understood = {**media_message_head(), "type": "image", "image": {"caption": "no id"}}
    for body in (b"{ not json", webhook(cannot_be_understood, phone_number_id=number)):
        assert await _post(world, body, signed(body, secret)) == 200
    news = status_webhook(phone_number_id=number)
    assert await _post(world, news, signed(news, secret)) == 200
    for headers in ({}, {"X-Hub-Signature-256": "guessed"}, signed(news, "guessed")):
        assert await _post(world, news, headers) == 401
    assert await _post(world, bytes(BODY_BYTES + 1), {}) == 413


async def _too_many_bodies(world: World) -> None:
    """More unfinished bodies than there is room for: the slowest is answered 503, the others never come whole."""
    address = urlsplit(world.stack.url("webhook-gateway"))
    head = f"POST {_WEBHOOKS} HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_BYTES}\r\nExpect: 100-continue\r\n\r\n"
    streams = []
    for _ in range(_AT_ONCE + 1):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head.encode())
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(bytes(BODY_BYTES - 1))
        await writer.drain()
        streams.append((reader, writer))
    async with asyncio.timeout(10):
        assert b" 503 " in await streams[0][0].readuntil(b"\r\n\r\n")
    for _, writer in streams:
        writer.close()


async def _follow_links(world: World) -> None:
    """Every answer that a signed link can get."""
    listed = (await _json(world, "/api/messages?status=ready&limit=20"))["items"]
    shown = next(item for item in listed if item["media"]["renditions"])
    original = shown["media"]["original"]["url"]
    async with aiohttp.ClientSession(world.stack.url("media-server")) as browser:

        async def answered(url: str, status: int, headers: dict[str, str] | None = None) -> str:
            async with browser.get(url, headers=headers) as response:
                assert response.status == status, f"{response.status} in place of {status}"
                await response.read()
                return response.headers.get("ETag", "")

        etag = await answered(original, 200)
        for rendition in shown["media"]["renditions"].values():
            await answered(rendition["url"], 200)
        await answered(original, 206, {"Range": "bytes=0-99"})
        await answered(original, 304, {"If-None-Match": etag})
        await answered(original, 416, {"Range": "bytes=99999999-"})
        await answered("/media/guessed/photo.jpg", 403)
        await answered(_link(world, secret="x" * 40), 403)
        await answered(_link(world, hours_ago=2), 401)
        await answered(_link(world), 404)


def _link(world: World, *, secret: str | None = None, hours_ago: float = 0) -> str:
    """To a file that is not there."""
    signing = SecretStr(secret or world.settings["FILES_SIGNING_SECRET"])
    gone = File(
        key=f"incoming/00/{'0' * 64}.jpg",
        what="original",
        mime_type="image/jpeg",
        file_name="gone.jpg",
        inline=True,
    )
    links = Links(secret=signing, previous=None, ttl_seconds=900)
    return links.sign(gone, now=datetime.now(UTC) - timedelta(hours=hours_ago)).url


async def _json(world: World, path: str) -> Any:
    async with world.api.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.json()
