"""Calls to Graph: the metadata of a media id (where the bytes are now, how many, their digest), and of a number."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import structlog
from opentelemetry.trace import SpanKind
from pydantic import SecretStr
from yarl import URL

from shared.errors import ErrorCode, PipelineError, TransientError
from shared.graph.errors import classify, read_error, wait_asked_for
from shared.tracing import failed, span

log = structlog.get_logger(__name__)

HEADERS = {"User-Agent": "attache/0.1", "Accept-Encoding": "identity"}
"""Of every request. Meta answers some clients without a user agent with HTML or an error; nothing is decompressed."""
_METADATA_SECONDS = 30.0
_LARGEST_SIZE = 2**62  # what MongoDB can hold; larger than any limit all the same
_MOST_METADATA_BYTES = 64 * 1024
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class MediaLocation:
    """Fresh metadata. `url` dies after five minutes and is never stored. `sha256` is lowercase hex."""

    url: URL
    mime_type: str | None
    sha256: str | None
    size_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Graph:
    """Reads metadata. The session is shared with the downloads, and pooled."""

    def __init__(self, session: aiohttp.ClientSession, *, url: URL, version: str) -> None:
        self._session = session
        self._base = url / version

    async def locate(self, media_id: str, *, phone_number_id: str, access_token: SecretStr) -> MediaLocation:
        """Ask for the media as the number that received it. Raises the error that Graph's answer means."""
        url = self._object(media_id).with_query(phone_number_id=phone_number_id)
        answer = await self._get(url, access_token)
        location = _read(answer.body) if answer.status == 200 else None
        if location is None:
            raise _refusal(answer)
        return location

    async def verify(self, phone_number_id: str, access_token: SecretStr) -> None:
        """Ask for the number itself: whether the token is taken and may see it. Raises like `locate`."""
        answer = await self._get(self._object(phone_number_id).with_query(fields="id"), access_token)
        if answer.status != 200 or not _names(answer.body, phone_number_id):
            raise _refusal(answer)

    def _object(self, object_id: str) -> URL:
        # the id is opaque and comes from outside: it must stay one segment of the path, dots included
        segment = quote(object_id, safe="").replace(".", "%2E")
        return URL(f"{self._base}/{segment}", encoded=True)

    async def _get(self, url: URL, access_token: SecretStr) -> _Answer:
        headers = HEADERS | {"Authorization": f"Bearer {access_token.get_secret_value()}"}
        try:
            with span("GET Graph", kind=SpanKind.CLIENT, attributes=asked_of(url) | {"url.path": url.raw_path}) as call:
                async with (
                    asyncio.timeout(_METADATA_SECONDS),
                    self._session.get(url, headers=headers, allow_redirects=False) as response,
                ):
                    call.set_attribute("http.response.status_code", response.status)
                    if response.status != 200:
                        failed(call, str(response.status))
                    body = await at_most(response, _MOST_METADATA_BYTES)
                    return _Answer(status=response.status, headers=response.headers, body=body)
        except TimeoutError as error:
            msg = "Graph did not answer in time"
            raise TransientError(msg, code=ErrorCode.DOWNLOAD_TIMEOUT) from error
        except (aiohttp.ClientError, OSError) as error:
            msg = f"Graph cannot be reached ({type(error).__name__})"
            raise TransientError(msg, code=ErrorCode.PROVIDER_UNAVAILABLE) from error


def asked_of(url: URL) -> dict[str, str | int]:
    """What a span may say of a GET. Not the whole URL: the one that Graph gives for a file opens it."""
    return {"http.request.method": "GET", "server.address": url.host or "", "server.port": url.port or 0}


async def at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or the start of one that is longer than any answer should be."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body[:limit])


def _refusal(answer: _Answer) -> PipelineError:
    error = read_error(answer.body)
    log.info(
        "graph.refused",
        providerStatus=answer.status,
        providerCode=error.code,
        fbtraceId=error.fbtrace_id,
        graphVersion=answer.headers.get("facebook-api-version"),
    )
    return classify(answer.status, error, retry_after_seconds=wait_asked_for(answer.headers))


def _names(body: bytes, phone_number_id: str) -> bool:
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(answer, dict) and str(answer.get("id")) == phone_number_id


def _read(body: bytes) -> MediaLocation | None:
    try:
        answer: Any = json.loads(body)
        url = URL(answer["url"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not url.scheme or not url.host:
        return None
    digest = str(answer.get("sha256", "")).lower()
    mime_type = answer.get("mime_type")
    return MediaLocation(
        url=url,
        mime_type=mime_type if isinstance(mime_type, str) else None,
        sha256=digest if _HEX_DIGEST.fullmatch(digest) else None,
        size_bytes=_whole(answer.get("file_size")),
    )


def _whole(value: object) -> int | None:
    """A size: an integer on the wire, a string in Meta's examples, sometimes absent."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_LARGEST_SIZE)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return min(value, _LARGEST_SIZE)
