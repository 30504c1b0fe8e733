"""Graph's metadata of a media id: where the bytes are now, how many, and their digest."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import structlog
from pydantic import SecretStr
from yarl import URL

from ingestor.graph_errors import GraphError, classify, read_error, wait_asked_for
from shared.errors import ErrorCode, TransientError

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


class Graph:
    """Reads metadata. The session is shared with the downloads, and pooled."""

    def __init__(self, session: aiohttp.ClientSession, *, url: URL, version: str) -> None:
        self._session = session
        self._base = url / version

    async def locate(self, media_id: str, *, phone_number_id: str, access_token: SecretStr) -> MediaLocation:
        """Ask for the media as the number that received it. Raises the error that Graph's answer means."""
        # the id is opaque and comes from outside: it must stay one segment of the path, dots included
        segment = quote(media_id, safe="").replace(".", "%2E")
        url = URL(f"{self._base}/{segment}", encoded=True).with_query(phone_number_id=phone_number_id)
        headers = HEADERS | {"Authorization": f"Bearer {access_token.get_secret_value()}"}
        try:
            async with (
                asyncio.timeout(_METADATA_SECONDS),
                self._session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                body = await at_most(response, _MOST_METADATA_BYTES)
                status, answer_headers = response.status, response.headers
        except TimeoutError as error:
            msg = "Graph did not answer in time"
            raise TransientError(msg, code=ErrorCode.DOWNLOAD_TIMEOUT) from error
        except (aiohttp.ClientError, OSError) as error:
            msg = f"Graph cannot be reached ({type(error).__name__})"
            raise TransientError(msg, code=ErrorCode.PROVIDER_UNAVAILABLE) from error
        location = _read(body) if status == 200 else None
        if location is not None:
            return location
        graph_error: GraphError = read_error(body)
        log.info(
            "graph.refused",
            providerStatus=status,
            providerCode=graph_error.code,
            fbtraceId=graph_error.fbtrace_id,
            graphVersion=answer_headers.get("facebook-api-version"),
        )
        raise classify(status, graph_error, retry_after_seconds=wait_asked_for(answer_headers))


async def at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or the start of one that is longer than any answer should be."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body[:limit])


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
