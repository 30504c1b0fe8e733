"""The media host: `GET {url}` with the bytes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import quote

from aiohttp import web

from whatsapp_simulator.connection import reset_connection
from whatsapp_simulator.encoding import graph_json
from whatsapp_simulator.faults import Fault, FaultName, Step
from whatsapp_simulator.media import Media
from whatsapp_simulator.pages import login_page
from whatsapp_simulator.state import STATE, State
from whatsapp_simulator.tokens import TokenProblem

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_INVERTED = bytes(255 - value for value in range(256))


def add_download_routes(app: web.Application) -> None:
    """The path that media links have."""
    app.router.add_get("/whatsapp_business/attachments/", download, allow_head=False)


async def download(request: web.Request) -> web.StreamResponse:
    """The file, to whoever has a living link, a token for the number, and a user agent."""
    state = request.app[STATE]
    admitted = _admitted(request, state)
    fault = state.faults.take(admitted.id, Step.DOWNLOAD) if isinstance(admitted, Media) else None
    if fault is not None and fault.name is FaultName.SLOW:
        await asyncio.sleep(fault.delay_seconds)
        fault = None
    answer = _refusal(fault) or admitted
    if isinstance(answer, Media):
        return await _serve(request, state, answer, fault.name if fault else None)
    answer.headers["Date"] = state.clock.http_date()
    state.requests.note(Step.DOWNLOAD, request.query.get("mid", ""), answer.status)
    return answer


def _admitted(request: web.Request, state: State) -> Media | web.Response:
    query = request.query
    if not request.headers.get("User-Agent", "").strip():
        return login_page()
    numbers = state.tokens.readable_numbers(request.headers.get("Authorization"))
    if isinstance(numbers, TokenProblem):
        return _unauthorized()
    media_id, source, expires_at = query.get("mid", ""), query.get("source", ""), query.get("ext", "")
    media = state.media.find(media_id)
    if media is None or not state.links.is_alive(media_id, source, expires_at, query.get("hash", "")):
        return _gone()
    return media if media.number.phone_number_id in numbers else _unauthorized()


def _refusal(fault: Fault | None) -> web.Response | None:
    """What these faults answer in place of the file; the others let the file begin."""
    match fault:
        case Fault(name=FaultName.EXPIRED):
            return _gone()
        case Fault(name=FaultName.UNAUTHORIZED):
            return _unauthorized()
        case Fault(name=FaultName.RATE_LIMITED, retry_after_seconds=seconds):
            return web.Response(status=429, headers={} if seconds is None else {"Retry-After": str(seconds)})
        case Fault(name=FaultName.SERVER_ERROR, status=status):
            return web.Response(status=status)
        case Fault(name=FaultName.HTML):
            return login_page()
        case _:
            return None


def _unauthorized() -> web.Response:
    body = {"title": "Authentication Error", "detail": "Authentication Error", "status": 401}
    return web.Response(body=graph_json(body), status=401, content_type="application/json")


def _gone() -> web.Response:
    return web.Response(status=404, text="Not Found")


async def _serve(request: web.Request, state: State, media: Media, fault: FaultName | None) -> web.StreamResponse:
    size = media.content.size_bytes
    start, end, is_part = _span(request.headers.get("Range"), size)
    if fault is FaultName.TRUNCATED:
        start, end, is_part = 0, size // 2, False
    response = web.StreamResponse(status=206 if is_part else 200, headers=_file_headers(media))
    response.headers["Date"] = state.clock.http_date()
    if is_part:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    response.content_length = end - start
    # Noted before the body goes out: whoever has read the last byte can rely on the count.
    state.requests.note(Step.DOWNLOAD, media.id, response.status)
    await response.prepare(request)
    if fault is FaultName.RESET:
        end = start + (end - start) // 2
    for chunk in _chunks(media, start, end, corrupt=fault is FaultName.CORRUPT):
        await response.write(chunk)
    if fault is FaultName.RESET:
        reset_connection(request)
    return response


def _chunks(media: Media, start: int, end: int, *, corrupt: bool) -> Iterator[bytes]:
    for chunk in media.content.chunks(start, end):
        yield chunk.translate(_INVERTED) if corrupt else chunk


def _span(header: str | None, size: int) -> tuple[int, int, bool]:
    """Start, end and whether it is a part; a Range that cannot be met is ignored, as HTTP allows."""
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
    return f"inline;filename={plain}" + ("" if plain == filename else f";filename*=UTF-8''{quote(filename, safe='')}")
