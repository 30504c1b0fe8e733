"""The room for bodies, through the real routes: who is sent away when many come at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.amqp import until
from tests.unit.webhook_gateway.gateways import PATH, Client, MemoryPublisher, running_gateway
from tests.unit.webhook_gateway.payloads import change, message, raw, signed, webhook

LIMIT = 4096
AT_ONCE = 16
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def publisher() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
async def gateway(publisher: MemoryPublisher) -> AsyncIterator[Client]:
    async with running_gateway(publisher, max_body_bytes=LIMIT) as client:
        yield client


@pytest.fixture
async def trickles(gateway: Client) -> AsyncIterator[list[Stream]]:
    """As many unfinished bodies as there is room for, the first one first."""
    streams: list[Stream] = []
    try:
        for _ in range(AT_ONCE):
            streams.append(await trickle(gateway))
        yield streams
    finally:
        for _, writer in streams:
            writer.transport.abort()


async def trickle(gateway: Client) -> Stream:
    """A body that is on its way for good, once the gateway has begun to read it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT}\r\nExpect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(bytes(LIMIT - 1))
    await writer.drain()
    return reader, writer


async def status(stream: Stream) -> int | None:
    """Of the answer, if there is one soon."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            return int((await stream[0].readuntil(b"\r\n\r\n")).split()[1])
    return None


async def test_a_webhook_that_comes_whole_passes_and_the_oldest_trickle_makes_room(
    gateway: Client, trickles: list[Stream], publisher: MemoryPublisher
) -> None:
    body = raw(webhook(change(message("wamid.WHOLE"))))

    async with gateway.post(PATH, data=body, headers=signed(body)) as response:
        assert response.status == 200

    assert len(publisher.published) == 1
    assert [await status(each) for each in trickles[:2]] == [503, None]


async def test_who_is_sent_away_is_told_to_come_back(gateway: Client, trickles: list[Stream]) -> None:
    streams = [await trickle(gateway)]
    try:
        head = await trickles[0][0].readuntil(b"\r\n\r\n")
        body = await trickles[0][0].readuntil(b"}")
    finally:
        streams[0][1].transport.abort()

    assert head.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: 5" in head
    assert b'"code": "busy"' in body
    async with gateway.get("/metrics") as response:
        assert 'attache_webhooks_total{outcome="unavailable"}' in await response.text()


async def test_the_room_and_what_is_taken_of_it_are_measured(gateway: Client, trickles: list[Stream]) -> None:
    async def bytes_in_flight() -> float:
        async with gateway.get("/metrics") as response:
            told = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines())
        assert float(told["attache_webhook_bytes_capacity"]) == AT_ONCE * LIMIT
        return float(told["attache_webhook_bytes_in_flight"])

    async def all_are_held() -> bool:
        return await bytes_in_flight() == AT_ONCE * (LIMIT - 1)

    async def none_is_held() -> bool:
        return await bytes_in_flight() == 0

    await until(all_are_held)
    for _, writer in trickles:
        writer.transport.abort()
    await until(none_is_held)


async def test_room_that_was_let_go_is_there_for_the_next(gateway: Client, trickles: list[Stream]) -> None:
    body = b"{ not signed"
    for _, writer in trickles[:8]:
        writer.write(b"x")  # complete now, and refused
    assert [await status(each) for each in trickles[:8]] == [401] * 8

    more = [await trickle(gateway) for _ in range(8)]
    try:
        assert await status(trickles[8]) is None, "nobody had to go"
        async with gateway.post(PATH, data=body) as response:
            assert response.status == 401
    finally:
        for _, writer in more:
            writer.transport.abort()
