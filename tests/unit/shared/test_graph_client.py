"""Answers as they come over a real wire: in pieces, too long, with numbers no database holds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from pydantic import SecretStr
from yarl import URL

from shared.errors import ErrorCode, PipelineError
from shared.graph.client import Graph, MediaLocation

TOKEN = SecretStr("made-up-access-token")
Locate = Callable[[], Awaitable[MediaLocation]]


@asynccontextmanager
async def answering(*pieces: bytes, status: str = "200 OK") -> AsyncIterator[tuple[Locate, list[bytes]]]:
    """A server that writes its answer piece by piece, each a packet of its own."""
    asked: list[bytes] = []
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        length = sum(len(piece) for piece in pieces)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n".encode())
        with suppress(ConnectionError):  # a client that has read enough goes away
            for piece in pieces:
                await writer.drain()
                await asyncio.sleep(0.02)  # what is under test: the rest is not there yet
                writer.write(piece)
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, aiohttp.ClientSession(auto_decompress=False) as session:
        graph = Graph(session, url=URL(f"http://127.0.0.1:{port}"), version="v25.0")
        yield lambda: graph.locate("7/../x?y", phone_number_id="200300400500600", access_token=TOKEN), asked
    await served.wait()


async def test_metadata_that_comes_in_pieces_is_read_whole() -> None:
    async with answering(b'{"url": "https:\\/\\/lookaside.fbsbx.com\\/x", ', b'"file_size": "10"}') as (locate, asked):
        location = await locate()

    assert location.url == URL("https://lookaside.fbsbx.com/x")
    assert location.size_bytes == 10
    head = asked[0].decode()
    assert head.startswith("GET /v25.0/7%2F%2E%2E%2Fx%3Fy?phone_number_id=200300400500600 "), "one segment of the path"
    assert "Authorization: Bearer made-up-access-token" in head
    assert "Accept-Encoding: identity" in head
    assert "User-Agent: attache" in head


async def test_an_error_that_comes_in_pieces_is_read_whole() -> None:
    async with answering(b'{"error": {"code": 1', b"90}}", status="400 Bad Request") as (locate, _):
        with pytest.raises(PipelineError) as refused:
            await locate()

    assert refused.value.code is ErrorCode.PROVIDER_AUTH


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("10", 10),
        ('"10"', 10),
        ("null", None),
        ('"ten"', None),
        ("-1", None),
        ("true", None),
        ("1.5", None),
        ("[]", None),
    ],
)
async def test_sizes_come_in_every_form(size: str, expected: int | None) -> None:
    async with answering(f'{{"url": "https://lookaside.fbsbx.com/x", "file_size": {size}}}'.encode()) as (locate, _):
        assert (await locate()).size_bytes == expected


@pytest.mark.parametrize("size", ["1" + "0" * 25, f'"1{"0" * 18}"'])
async def test_an_absurd_size_is_larger_than_any_limit(size: str) -> None:
    async with answering(f'{{"url": "https://lookaside.fbsbx.com/x", "file_size": {size}}}'.encode()) as (locate, _):
        found = (await locate()).size_bytes

    assert found is not None
    assert 2**50 < found < 2**63


@pytest.mark.parametrize(
    "body", [b"", b"<html>login</html>", b"{}", b'{"url": 7}', b'{"url": "//host/x"}', b"[" * 60_000]
)
async def test_an_answer_without_a_link_is_a_passing_problem(body: bytes) -> None:
    async with answering(body) as (locate, _):
        with pytest.raises(PipelineError) as refused:
            await locate()

    assert refused.value.code is ErrorCode.PROVIDER_UNAVAILABLE


async def test_an_answer_that_does_not_end_is_not_read_to_its_end() -> None:
    async with answering(b"x" * 100_000, b"y" * 10_000_000) as (locate, _):
        with pytest.raises(PipelineError) as refused:
            await locate()

    assert refused.value.code is ErrorCode.PROVIDER_UNAVAILABLE
