"""The media host: `GET {url}` with the bytes."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from whatsapp_simulator.altered import altered
from whatsapp_simulator.bodies import send
from whatsapp_simulator.content import Content
from whatsapp_simulator.detours import came_by_redirect, next_hop, redirect
from whatsapp_simulator.faults import Fault, FaultName, Step
from whatsapp_simulator.media import LINK_LIFETIME_SECONDS, PUBLIC, Media
from whatsapp_simulator.outgoing import Outgoing
from whatsapp_simulator.pages import login_page
from whatsapp_simulator.refusals import gone, refusal, unauthorized
from whatsapp_simulator.state import STATE, State
from whatsapp_simulator.tokens import TokenProblem

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def add_download_routes(app: web.Application) -> None:
    """The path that media links have."""
    app.router.add_get("/whatsapp_business/attachments/", download, allow_head=False)


async def download(request: web.Request) -> web.StreamResponse:
    """The file, to whoever has a living link, a token for the number, and a user agent."""
    state = request.app[STATE]
    admitted = _admitted(request, state)
    fault, outgoing = None, None
    if isinstance(admitted, Media):
        fault = None if came_by_redirect(request) else state.faults.take(admitted.id, Step.DOWNLOAD)
        if fault is not None and fault.name is FaultName.SLOW:
            await asyncio.sleep(fault.delay_seconds)
        answer = _instead(request, state, admitted, fault)
        outgoing = _file(request, admitted, fault) if answer is None else Outgoing.of(answer)
    else:
        outgoing = Outgoing.of(admitted)
    outgoing.headers["Date"] = state.clock.http_date()
    # Noted before the body goes out: whoever has read the last byte can rely on the count.
    state.requests.note(Step.DOWNLOAD, request.query.get("mid", ""), outgoing.status, request)
    return await send(request, outgoing, fault)


def _admitted(request: web.Request, state: State) -> Media | web.Response:
    query = request.query
    media_id, source, expires_at = query.get("mid", ""), query.get("source", ""), query.get("ext", "")
    if not request.headers.get("User-Agent", "").strip():
        return login_page()
    numbers = state.tokens.readable_numbers(request.headers.get("Authorization"))
    if source != PUBLIC and isinstance(numbers, TokenProblem):
        return unauthorized()
    media = state.media.find(media_id)
    if media is None or not state.links.is_alive(media_id, source, expires_at, query.get("hash", "")):
        return gone()
    if source == PUBLIC or (not isinstance(numbers, TokenProblem) and media.number.phone_number_id in numbers):
        return media
    return unauthorized()


def _instead(request: web.Request, state: State, media: Media, fault: Fault | None) -> web.Response | None:
    """What is answered in place of the file; None when it is the file."""
    if fault is None:
        return next_hop(request)
    if fault.name is FaultName.REDIRECT:
        expires_at = int(state.clock.now()) + LINK_LIFETIME_SECONDS
        public = state.links.path(media.id, source=PUBLIC, expires_at=expires_at)
        return redirect(request, fault, elsewhere=public)
    return refusal(fault, media_id=media.id, clock=state.clock)


def _file(request: web.Request, media: Media, fault: Fault | None) -> Outgoing:
    content = altered(media.content, fault)
    start, end, is_part = _span(request.headers.get("Range"), content)
    headers = CIMultiDict(_file_headers(media))
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size_bytes}"
    return Outgoing(status=206 if is_part else 200, headers=headers, content=content, start=start, end=end)


def _span(header: str | None, content: Content) -> tuple[int, int, bool]:
    """Start, end and whether it is a part; a Range that cannot be met is ignored, as HTTP allows."""
    size = content.size_bytes
    match = _RANGE.fullmatch(header or "")
    if match is None:
        return 0, size, False
    start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    return (start, end, True) if start < end else (0, size, False)


def _file_headers(media: Media) -> dict[str, str]:
    return {
        "Content-Type": media.mime_type,
        "Content-Disposition": _disposition(media.filename or media.id),
        "Accept-Ranges": "bytes",
        "ETag": f'"{media.sha256[:32]}"',
        "Content-Digest": f"adler32={media.content.adler32}",
        "Cache-Control": "private",
    }


def _disposition(filename: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", filename)
    exact = quote(filename, safe="", errors="replace")
    return f"inline;filename={plain}" + ("" if plain == filename else f";filename*=UTF-8''{exact}")
