"""Where the token goes, and how long silence lasts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from pydantic import SecretStr
from yarl import URL

from ingestor.download import Downloader
from ingestor.hosts import AllowedHosts
from shared.errors import ErrorCode, PermanentError, TransientError
from shared.graph.client import Graph

TOKEN = SecretStr("made-up-access-token")
SILENCE = aiohttp.ClientTimeout(total=None, sock_read=0.2)


class Anywhere(AllowedHosts):
    """Every host, so that two ports of this machine can stand for two of Meta's hosts."""

    def check(self, url: URL) -> None:
        """Nothing is refused."""


@asynccontextmanager
async def serving(answer: bytes, *, then_silent: bool = False) -> AsyncIterator[tuple[URL, list[str]]]:
    """A server that gives one answer, and keeps the heads of what was asked."""
    heads: list[str] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answer)
        with suppress(ConnectionError):
            await writer.drain()
            if then_silent:
                await over.wait()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            yield URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), heads
        finally:
            over.set()


async def body_of(downloader: Downloader, url: URL) -> bytes:
    async with downloader.open(url, access_token=TOKEN) as body:
        return b"".join([chunk async for chunk in body.chunks])


async def test_a_redirect_to_another_host_is_followed_without_the_token() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as (there, asked_there):
        redirect = f"HTTP/1.1 302 Found\r\nLocation: {there}/file\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(redirect) as (here, asked_here), aiohttp.ClientSession() as session:
            downloader = Downloader(session, hosts=Anywhere(suffixes=(), graph=here))

            assert await body_of(downloader, here / "link") == b"ok"

    assert "Authorization: Bearer made-up-access-token" in asked_here[0]
    assert "authorization" not in asked_there[0].lower()
    assert "User-Agent: attache" in asked_there[0]


async def test_every_hop_is_checked() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
    async with serving(redirect) as (here, _), aiohttp.ClientSession() as session:
        downloader = Downloader(session, hosts=AllowedHosts(suffixes=("fbsbx.com",), graph=here))

        with pytest.raises(PermanentError) as refused:
            await body_of(downloader, here / "link")

    assert refused.value.code is ErrorCode.HOST_NOT_ALLOWED


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
async def test_silence_before_or_in_a_body_is_a_timeout(answer: bytes) -> None:
    async with serving(answer, then_silent=True) as (here, _), aiohttp.ClientSession(timeout=SILENCE) as session:
        downloader = Downloader(session, hosts=AllowedHosts(suffixes=(), graph=here))

        with pytest.raises(TransientError) as failed:
            await body_of(downloader, here / "link")

    assert failed.value.code is ErrorCode.DOWNLOAD_TIMEOUT


async def test_a_graph_that_is_silent_is_a_timeout_too() -> None:
    async with serving(b"", then_silent=True) as (here, _), aiohttp.ClientSession(timeout=SILENCE) as session:
        with pytest.raises(TransientError) as failed:
            await Graph(session, url=here, version="v25.0").locate("7", phone_number_id="1", access_token=TOKEN)

    assert failed.value.code is ErrorCode.DOWNLOAD_TIMEOUT
