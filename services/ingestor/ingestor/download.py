"""The bytes behind Meta's link: streamed, every hop checked, the token dropped where it does not belong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from pydantic import SecretStr
from yarl import URL

from ingestor.hosts import AllowedHosts
from shared.errors import ErrorCode, PipelineError, TransientError
from shared.graph.client import HEADERS, at_most
from shared.graph.errors import classify, dead_link, read_error, wait_asked_for
from shared.tracing import annotate

_MOST_HOPS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEAD_LINK = frozenset({401, 403, 404, 410})
_CHUNK_BYTES = 256 * 1024
_MOST_ERROR_BYTES = 16 * 1024
DOWNLOAD_SECONDS = 600.0
"""The longest a download may take; a body that trickles must not hold a place for ever."""


class LinkRefused(Exception):
    """The link does not work (any more): get a fresh one. `error` is what it means when a fresh one fails likewise."""

    def __init__(self, error: PipelineError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, kw_only=True)
class Body:
    """An answer whose bytes are still on their way. `announced_bytes` is its Content-Length, which may lie."""

    announced_bytes: int | None
    chunks: AsyncIterator[bytes]


class Downloader:
    """Fetches bytes. Cookies are not kept, bodies are not decompressed: what is hashed is what was sent."""

    def __init__(self, session: aiohttp.ClientSession, *, hosts: AllowedHosts) -> None:
        self._session = session
        self._hosts = hosts

    @asynccontextmanager
    async def open(self, url: URL, *, access_token: SecretStr) -> AsyncIterator[Body]:
        """Follow `url` to its bytes. Raises `LinkRefused`, or the error that the answer means."""
        try:
            async with asyncio.timeout(DOWNLOAD_SECONDS), await self._followed(url, access_token) as response:
                await _refuse_unless_ok(response)
                yield Body(announced_bytes=response.content_length, chunks=_chunks(response))
        except TimeoutError as error:
            msg = "the download did not make progress in time"
            raise TransientError(msg, code=ErrorCode.DOWNLOAD_TIMEOUT) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            msg = f"the download was cut off ({type(error).__name__})"
            raise TransientError(msg, code=ErrorCode.PROVIDER_UNAVAILABLE) from error

    async def _followed(self, url: URL, access_token: SecretStr) -> aiohttp.ClientResponse:
        origin = url.origin()
        for _ in range(_MOST_HOPS + 1):
            self._hosts.check(url)
            headers = dict(HEADERS)
            if url.origin() == origin:  # the token belongs to the host that Graph named, and to no other
                headers["Authorization"] = f"Bearer {access_token.get_secret_value()}"
            response = await self._session.get(url, headers=headers, allow_redirects=False)
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                return response
            target = response.headers["Location"]
            response.release()
            try:
                url = url.join(URL(target))
            except ValueError:
                msg = "Meta's link redirects to something that is not a URL"
                raise TransientError(msg, code=ErrorCode.PROVIDER_UNAVAILABLE) from None
        msg = f"Meta's link redirects more than {_MOST_HOPS} times"
        raise TransientError(msg, code=ErrorCode.PROVIDER_UNAVAILABLE)


async def _refuse_unless_ok(response: aiohttp.ClientResponse) -> None:
    annotate({"http.response.status_code": response.status})
    if response.status == 200:
        return
    if response.status in _DEAD_LINK:
        raise LinkRefused(dead_link(response.status))
    error = read_error(await at_most(response, _MOST_ERROR_BYTES))
    raise classify(response.status, error, retry_after_seconds=wait_asked_for(response.headers))


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        yield chunk
