"""`GET /media/{token}/{fileName}`: the bytes behind a signed link. Asks neither MongoDB nor RabbitMQ."""

import time
from datetime import datetime
from http import HTTPStatus
from pathlib import PurePosixPath
from urllib.parse import quote

from aiohttp import web

from media_server.metrics import MEDIA_REQUEST_SECONDS, MEDIA_REQUESTS
from media_server.presentation import content_disposition, served_type
from media_server.problems import Problem, not_found, unavailable
from media_server.ranges import NotSatisfiable, names, requested_span
from media_server.signing import BadLink, File, LinkProblem, Links, OpenedLink
from media_server.stored_file import StoredFile
from shared.clock import Clock
from shared.errors import ObjectNotFound, TransientError
from shared.metrics import SIGNATURE_ERRORS
from shared.storage.filesystem import FilesystemStore
from shared.storage.port import ByteRange

# The file may show itself and nothing else, in an origin of its own. Media players load their own address again.
_MEDIA_POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
# Chromium's PDF viewer refuses to start in a sandboxed document; it is a process of its own, away from our origin.
_PDF_POLICY = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"

_REFUSALS = {
    LinkProblem.TOKEN_EXPIRED: (
        HTTPStatus.UNAUTHORIZED,
        "the link has ended; fetch the message again for a new one, and compare serverTime with your clock",
    ),
    LinkProblem.BAD_SIGNATURE: (
        HTTPStatus.FORBIDDEN,
        "the link was not made by this server for this purpose, or its secret was replaced; fetch the message again",
    ),
    LinkProblem.MALFORMED: (HTTPStatus.FORBIDDEN, "this is not a link that this server made; copy it whole"),
}


class Files:
    """Serves signed links from a folder, or lets nginx do it (`accel_redirect` is its internal location)."""

    def __init__(self, *, store: FilesystemStore, links: Links, clock: Clock, accel_redirect: str | None) -> None:
        self._store = store
        self._links = links
        self._clock = clock
        self._accel_redirect = accel_redirect

    async def get(self, request: web.Request) -> web.StreamResponse:
        """GET and HEAD."""
        what = "unknown"
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        started = time.perf_counter()
        try:
            link = self._opened(request.match_info["token"])
            what = link.file.what
            response = await self._answer(request, link)
            status = response.status
            return response
        except Problem as problem:
            status = problem.status
            raise
        finally:
            MEDIA_REQUESTS.labels(what, str(status)).inc()
            MEDIA_REQUEST_SECONDS.observe(time.perf_counter() - started)

    def _opened(self, token: str) -> OpenedLink:
        try:
            return self._links.open(token, now=self._clock())
        except BadLink as error:
            SIGNATURE_ERRORS.labels(error.problem.value).inc()
            status, detail = _REFUSALS[error.problem]
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'} if status == HTTPStatus.UNAUTHORIZED else {}
            raise Problem(status, error.problem.value, detail, headers=headers) from error

    async def _answer(self, request: web.Request, link: OpenedLink) -> web.StreamResponse:
        size_bytes = await self._size(link.file.key)
        headers = _headers(link, now=self._clock())
        if self._accel_redirect is not None:
            location = f"{self._accel_redirect.rstrip('/')}/{quote(link.file.key)}"
            return web.Response(headers=headers | {"X-Accel-Redirect": location})
        tag = entity_tag(link.file.key)
        if names(request.if_match, tag, weak=False) is False:
            raise Problem(HTTPStatus.PRECONDITION_FAILED, "precondition_failed", f'this file is "{tag}"')
        if names(request.if_none_match, tag, weak=True):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers | {"ETag": f'"{tag}"'})
        span = _span(request, tag, size_bytes=size_bytes)
        return StoredFile(self._store.path(link.file.key), entity_tag=tag, span=span, headers=headers)

    async def _size(self, key: str) -> int:
        try:
            return await self._store.size(key)
        except ObjectNotFound as error:
            raise not_found("the bytes of this file are not in the store any more") from error
        except TransientError as error:
            raise unavailable(error.message) from error


def entity_tag(key: str) -> str:
    """The digest in the key, and for a rendition its name and recipe: another key is another content."""
    return "-".join(PurePosixPath(key).with_suffix("").parts[2:])


def _span(request: web.Request, tag: str, *, size_bytes: int) -> ByteRange | None:
    if request.method != "GET" or request.headers.get("If-Range", f'"{tag}"') != f'"{tag}"':
        return None
    try:
        return requested_span(request.headers.get("Range"), size_bytes=size_bytes)
    except NotSatisfiable as error:
        raise Problem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "range_not_satisfiable",
            f"the file has {size_bytes} bytes",
            headers={"Content-Range": f"bytes */{size_bytes}"},
        ) from error


def _headers(link: OpenedLink, *, now: datetime) -> dict[str, str]:
    file: File = link.file
    content_type = served_type(file.mime_type)
    left_seconds = max(0, int((link.expires_at - now).total_seconds()))
    return {
        "Content-Type": content_type,
        "Content-Disposition": content_disposition(file.file_name, inline=file.inline),
        "Content-Security-Policy": _PDF_POLICY if content_type == "application/pdf" else _MEDIA_POLICY,
        # whoever has the link may see the file, so an inbox beside us on the same site may show it
        "Cross-Origin-Resource-Policy": "same-site",
        "Cache-Control": f"private, max-age={left_seconds}, immutable",
        "Accept-Ranges": "bytes",
    }
