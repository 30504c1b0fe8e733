"""Section 2 of the contract, `GET /api/events`: the WebSocket of the real media-server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.contract.recorded_run import Run
from tests.e2e.world import JSON, World
from whatsapp_simulator import Customer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def watching(
    client: aiohttp.ClientSession, path: str = "/api/events", **options: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with client.ws_connect(path, **options) as socket:
        yield socket


async def next_frame(socket: aiohttp.ClientWebSocketResponse, wamid: str, status: str) -> JSON:
    """The frame that says that this attachment reached this state."""
    async with asyncio.timeout(20):
        async for frame in socket:
            assert frame.type is aiohttp.WSMsgType.TEXT
            told: JSON = json.loads(frame.data)
            if told["message"]["messageId"] == wamid and told["message"]["media"]["status"] == status:
                return told
    raise AssertionError("the socket was closed")


def token(world: World, role: str = "OPERATOR_TOKEN") -> dict[str, str]:
    return {"Authorization": f"Bearer {world.settings[role]}"}


async def test_each_text_frame_is_message_media_updated_with_the_message_as_in_the_api(world: World) -> None:
    message = await world.send("zip", seed=9301)

    await world.framed(message.id, "ready")

    frames = [f for f in world.frames.received if f["message"]["messageId"] == message.id]
    assert {frozenset(frame) for frame in frames} == {frozenset({"type", "message"})}
    assert {frame["type"] for frame in frames} == {"message_media_updated"}
    last = next(f["message"] for f in frames if f["message"]["media"]["status"] == "ready")
    shown = await world.shown(last["id"])
    assert set(last) == set(shown)
    assert set(last["media"]) == set(shown["media"])
    assert set(last["media"]["original"]) == set(shown["media"]["original"])
    assert last["media"]["revision"] == shown["media"]["revision"]
    assert (await world.fetched(last["media"]["original"]["url"]))[0] == 200


async def test_each_revision_gives_its_frame(world: World) -> None:
    message = await world.send("zip", seed=9302)

    frames = await world.framed(message.id, "ready")

    assert {frame["media"]["revision"] for frame in frames} == {1, 2, 3}


@pytest.mark.parametrize("role", ["OPERATOR_TOKEN", "ADMIN_TOKEN"])
async def test_signed_in_by_the_authorization_header(world: World, stranger: aiohttp.ClientSession, role: str) -> None:
    async with watching(stranger, headers=token(world, role)) as socket:
        assert not socket.closed


async def test_signed_in_by_the_subprotocols(world: World, stranger: aiohttp.ClientSession) -> None:
    protocols = ("attache.v1", f"bearer.{world.settings['OPERATOR_TOKEN']}")

    async with watching(stranger, protocols=protocols) as socket:
        assert socket.protocol == "attache.v1", "the token is not sent back"


@pytest.mark.parametrize("name", ["token", "access_token", "bearer", "operatorToken"])
async def test_never_signed_in_by_the_query(world: World, stranger: aiohttp.ClientSession, name: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await stranger.ws_connect(f"/api/events?{name}={world.settings['OPERATOR_TOKEN']}")

    assert refused.value.status == 401


async def test_a_wrong_subprotocol_token_is_401(stranger: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await stranger.ws_connect("/api/events", protocols=("attache.v1", "bearer.nobodys-token-1234"))

    assert refused.value.status == 401


async def test_websocket_upgrades_check_origin(world: World, stranger: aiohttp.ClientSession) -> None:
    own = f"http://{urlsplit(world.stack.url('media-server')).netloc}"

    async with watching(stranger, headers=token(world), origin=own) as socket:
        assert not socket.closed
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await stranger.ws_connect("/api/events", headers=token(world), origin="https://evil.example")

    assert refused.value.status == 403


async def test_conversation_id_narrows_it(world: World) -> None:
    alone = Customer(name="Somebody Else", wa_id="15550177399")
    watched = await world.ended((await world.send("zip", seed=9304, sender=alone)).id)

    async with watching(world.api, f"/api/events?conversationId={watched['conversationId']}") as narrow:
        elsewhere = await world.send("zip", seed=9303)
        await world.framed(elsewhere.id, "ready")
        # what was told before this change must not be the first frame
        world.messages.update_one({"_id": watched["_id"]}, {"$set": {"media.status": "pending"}})
        async with asyncio.timeout(20):
            first: JSON = json.loads(await narrow.receive_str())

    assert first["message"]["id"] == watched["_id"]
    await world.ended(watched["messageId"])


async def test_since_sends_what_changed_since_then_first(run: Run, world: World) -> None:
    before = run.document("ready")["media"]["updatedAt"]
    since = before.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    async with watching(world.api, f"/api/events?since={since}") as socket:
        frame = await next_frame(socket, run.wamids["ready"], "ready")

    assert frame["message"]["media"]["revision"] == run.document("ready")["media"]["revision"]


@pytest.mark.parametrize("since", ["yesterday", "", "12345678901234567890"])
async def test_a_since_that_is_no_time_is_400_bad_request(world: World, since: str) -> None:
    async with world.api.get(
        f"/api/events?since={since}", headers={"Upgrade": "websocket", "Connection": "Upgrade"} | WEBSOCKET
    ) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["code"] == "bad_request"


WEBSOCKET = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
