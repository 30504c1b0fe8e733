"""The live view: who gets in, what they see, and how they are let go."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from media_server.app import build_app
from media_server.links import message_json
from media_server.live import Live
from media_server.settings import Settings
from media_server.state import LINKS, LIVE
from shared.events import MediaErased, MediaUpdated
from shared.media import public_json
from tests.unit.media_server.documents import make_message
from tests.unit.media_server.server import ADMIN, OPERATOR, Client, Hands, authorization

CLIENTS = "attache_websocket_clients"


def changed(**what: object) -> MediaUpdated:
    return MediaUpdated.of(public_json(make_message(**what)))  # type: ignore[arg-type]


def live(client: Client) -> Live:
    assert client.app is not None
    return client.app[LIVE]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a gauge has no event to wait for
            await asyncio.sleep(0.01)


async def test_a_change_arrives_as_the_api_shows_it(client: Client, hands: Hands) -> None:
    attachment = make_message()
    async with client.ws_connect("/api/events", headers=authorization()) as socket:
        live(client).show(MediaUpdated.of(public_json(attachment)))

        frame = await socket.receive_json(timeout=5)

    assert client.app is not None
    shown = message_json(attachment, links=client.app[LINKS], now=hands.now)
    assert frame == {"type": "message_media_updated", "message": shown}


async def test_each_revision_gives_its_frame(client: Client) -> None:
    async with client.ws_connect("/api/events", headers=authorization()) as socket:
        for revision in (1, 2, 3):
            live(client).show(changed(revision=revision))

        frames = [await socket.receive_json(timeout=5) for _ in range(3)]

    assert [frame["message"]["media"]["revision"] for frame in frames] == [1, 2, 3]


@pytest.mark.parametrize("token", [OPERATOR, ADMIN])
async def test_a_browser_signs_in_by_subprotocol_and_never_sees_its_token_again(client: Client, token: str) -> None:
    async with client.ws_connect("/api/events", protocols=("attache.v1", f"bearer.{token}")) as socket:
        assert socket.protocol == "attache.v1"


@pytest.mark.parametrize(
    ("path", "protocols"),
    [
        ("/api/events", ()),
        ("/api/events", ("attache.v1",)),
        ("/api/events", ("attache.v1", "bearer.wrong")),
        ("/api/events", (f"bearer.{OPERATOR}",)),
        (f"/api/events?token={OPERATOR}", ("attache.v1",)),
    ],
)
async def test_nobody_gets_in_any_other_way(client: Client, path: str, protocols: tuple[str, ...]) -> None:
    with pytest.raises(WSServerHandshakeError) as caught:
        await client.ws_connect(path, protocols=protocols)

    assert caught.value.status == 401


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:1", ""])
async def test_pages_of_other_hosts_may_not_connect(client: Client, origin: str) -> None:
    with pytest.raises(WSServerHandshakeError) as caught:
        await client.ws_connect("/api/events", headers=authorization(), origin=origin)

    assert caught.value.status == 403


async def test_a_page_of_this_host_may_connect(client: Client) -> None:
    async with client.ws_connect(
        "/api/events", headers=authorization(), origin=str(client.make_url("/"))[:-1]
    ) as socket:
        assert not socket.closed


async def test_https_in_front_of_us_is_the_same_host(client: Client) -> None:
    headers = {"Host": "attache.example", **authorization()}

    async with client.ws_connect("/api/events", headers=headers, origin="https://attache.example:443") as socket:
        assert not socket.closed


async def test_without_an_upgrade_the_answer_says_what_is_needed(client: Client) -> None:
    response = await client.get("/api/events", headers=authorization())

    assert response.status == 426
    assert (await response.json())["code"] == "upgrade_required"


@pytest.mark.parametrize("since", ["yesterday", "2026-05-04T12:00:00", "1700000000", "0001-01-01T00:00:00+14:00"])
async def test_a_since_that_is_no_time_is_refused(client: Client, since: str) -> None:
    with pytest.raises(WSServerHandshakeError) as caught:
        await client.ws_connect("/api/events", headers=authorization(), params={"since": since})

    assert caught.value.status == 400


async def test_clients_are_counted(client: Client) -> None:
    async with client.ws_connect("/api/events", headers=authorization()):
        assert REGISTRY.get_sample_value(CLIENTS) == 1

    await until(lambda: REGISTRY.get_sample_value(CLIENTS) == 0)


async def test_a_client_too_slow_is_closed_with_1013(client: Client) -> None:
    async with client.ws_connect("/api/events", headers=authorization()) as socket:
        for revision in range(1000):  # nothing is sent before this loop ends: all of it must be queued
            live(client).show(changed(revision=revision))

        assert await closing_code(socket) == 1013


async def test_a_slow_client_costs_the_others_nothing(settings: Settings, hands: Hands) -> None:
    fan_out = Live(links=build_app(settings)[LINKS], clock=hands, most_waiting=2)

    with fan_out.watching(None) as slow, fan_out.watching(None) as quick:
        for revision in (1, 2, 3):
            fan_out.show(changed(revision=revision))
            quick.frames.get_nowait()

        assert slow.dismissed.result() == 1013
        assert not quick.dismissed.done()


async def closing_code(socket: ClientWebSocketResponse) -> int | None:
    while True:
        message = await socket.receive(timeout=10)
        if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING}:
            return socket.close_code


async def test_shutdown_says_goodbye(client: Client) -> None:
    async with client.ws_connect("/api/events", headers=authorization()) as socket:
        closing = asyncio.create_task(client.server.close())

        assert await closing_code(socket) == 1001
        await closing


async def test_only_the_watched_conversation_is_shown(settings: Settings) -> None:
    fan_out = build_app(settings)[LIVE]

    with fan_out.watching("c1") as one, fan_out.watching(None) as every:
        fan_out.show(changed(conversation_id="c2"))
        fan_out.show(changed(conversation_id="c1"))

    assert (one.frames.qsize(), every.frames.qsize()) == (1, 2)


async def test_an_erased_attachment_arrives_as_nothing_but_its_id(client: Client) -> None:
    async with client.ws_connect("/api/events", headers=authorization()) as socket:
        live(client).show_erased(MediaErased(id="mgone", conversation_id="c1"))

        assert await socket.receive_json(timeout=5) == {"type": "message_erased", "id": "mgone"}


async def test_an_erasure_is_told_to_those_who_watch_its_conversation_and_to_all_when_it_is_not_known(
    settings: Settings,
) -> None:
    fan_out = build_app(settings)[LIVE]

    with fan_out.watching("c1") as one, fan_out.watching("c2") as other, fan_out.watching(None) as every:
        fan_out.show_erased(MediaErased(id="mgone", conversation_id="c1"))
        fan_out.show_erased(MediaErased(id="mnowhere"))

    assert (one.frames.qsize(), other.frames.qsize(), every.frames.qsize()) == (2, 1, 2)


async def test_each_frame_is_one_line_that_says_to_how_many_it_went(settings: Settings) -> None:
    fan_out = build_app(settings)[LIVE]

    with capture_logs() as lines, fan_out.watching("c1"), fan_out.watching(None):
        fan_out.show(changed(conversation_id="c1"))
        fan_out.show(changed(conversation_id="c2"))
        fan_out.show_erased(MediaErased(id="mgone", conversation_id="c1"))

    assert [(line["event"], line["clients"], line["conversationId"]) for line in lines] == [
        ("media_updated.shown", 2, "c1"),
        ("media_updated.shown", 1, "c2"),
        ("media_erased.shown", 2, "c1"),
    ]
    assert {"mediaId", "messageId", "phoneNumberId", "revision", "status"} <= set(lines[0])


async def test_a_change_that_nobody_watches_is_no_frame_and_no_line(settings: Settings) -> None:
    fan_out = build_app(settings)[LIVE]

    with capture_logs() as lines, fan_out.watching("another"):
        fan_out.show(changed(conversation_id="c1"))

    assert lines == []
