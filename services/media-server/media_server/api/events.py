"""`GET /api/events`: the WebSocket on which every change of a message arrives."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiohttp import ClientConnectionResetError, WSCloseCode, web

from media_server.api.auth import TOKENS, Role, bearer
from media_server.api.conversations import surviving
from media_server.catch_up import changed_since
from media_server.live import Watcher
from media_server.problems import Problem, bad_request
from media_server.state import LISTING, LIVE
from shared.media import public_json
from shared.repository.mongo import DatabaseError

log = structlog.get_logger(__name__)

PROTOCOL = "attache.v1"
_TOKEN_PROTOCOL = "bearer."  # noqa: S105 - a prefix, not a secret
_HEARTBEAT_SECONDS = 30.0
_CLOSE_SECONDS = 5.0
_MOST_RECEIVED_BYTES = 4096  # nothing a client says matters


async def get_events(request: web.Request) -> web.StreamResponse:
    """Sign in, catch up with `since`, then send changes until one side closes."""
    request.app[TOKENS].demand(_token(request), Role.OPERATOR)
    _check_origin(request)
    # compression would let somebody who writes captions guess the signed links beside them (as CRIME and BREACH did)
    socket = web.WebSocketResponse(
        protocols=(PROTOCOL,),
        heartbeat=_HEARTBEAT_SECONDS,
        timeout=_CLOSE_SECONDS,
        compress=False,
        max_msg_size=_MOST_RECEIVED_BYTES,
    )
    if not socket.can_prepare(request):
        raise Problem(
            HTTPStatus.UPGRADE_REQUIRED,
            "upgrade_required",
            "this is a WebSocket; /api/openapi.json describes it",
            headers={"Upgrade": "websocket", "Connection": "Upgrade"},
        )
    since = _since(request)
    wanted = request.query.get("conversationId")
    conversation_id = None if wanted is None else await surviving(request, wanted)
    # watching begins before the replay, so that nothing falls between them
    with request.app[LIVE].watching(conversation_id) as watcher:
        await socket.prepare(request)
        await _serve(request, socket, watcher, since)
    return socket


async def _serve(request: web.Request, socket: web.WebSocketResponse, watcher: Watcher, since: datetime | None) -> None:
    reading = asyncio.create_task(_read(socket))
    sending = asyncio.create_task(_send(request, socket, watcher, since))
    try:
        ends: list[asyncio.Future[Any]] = [reading, sending, watcher.dismissed]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if watcher.dismissed.done():
            # a client that does not read cannot be told either: it gets a few seconds, then the line is cut
            with suppress(TimeoutError, ClientConnectionResetError):
                async with asyncio.timeout(2 * _CLOSE_SECONDS):
                    await socket.close(code=watcher.dismissed.result())
    finally:
        reading.cancel()
        sending.cancel()
        await asyncio.gather(reading, sending, return_exceptions=True)
        if not socket.closed and request.transport is not None:
            request.transport.abort()


async def _read(socket: web.WebSocketResponse) -> None:
    """Reading is what notices a close and answers pings."""
    async for _ in socket:
        pass


async def _send(request: web.Request, socket: web.WebSocketResponse, watcher: Watcher, since: datetime | None) -> None:
    live = request.app[LIVE]
    try:
        if since is not None:
            async for attachment in changed_since(request.app[LISTING], since, conversation_id=watcher.conversation_id):
                await socket.send_str(live.frame(public_json(attachment)))
        while True:
            await socket.send_str(await watcher.frames.get())
    except ClientConnectionResetError:
        return
    except DatabaseError as error:
        log.warning("live.cannot_catch_up", reason=type(error).__name__)
        watcher.dismiss(WSCloseCode.TRY_AGAIN_LATER)
    except Exception:
        log.exception("live.failed")
        watcher.dismiss(WSCloseCode.INTERNAL_ERROR)


def _token(request: web.Request) -> str | None:
    """From the header, else from the subprotocols, the one place where a browser's WebSocket can put it."""
    offered = [each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if PROTOCOL in offered:
        for each in offered:
            if each.startswith(_TOKEN_PROTOCOL):
                return each.removeprefix(_TOKEN_PROTOCOL)
    return bearer(request)


def _check_origin(request: web.Request) -> None:
    """A browser says which page opens the connection; pages of other hosts have no business here."""
    origin = request.headers.get("Origin")
    if origin is None:
        return
    page = urlsplit(origin)
    default = {"http": ":80", "https": ":443"}.get(page.scheme, "")
    if page.netloc.removesuffix(default).lower() != request.host.removesuffix(default).lower() or not page.netloc:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "pages of another host may not open this connection")


def _since(request: web.Request) -> datetime | None:
    text = request.query.get("since")
    if text is None:
        return None
    try:
        # a plus sign that was not percent-encoded arrives as a space
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    msg = "since is a time as in RFC 3339, such as 2026-01-31T12:00:00.000Z"
    raise bad_request(msg)
