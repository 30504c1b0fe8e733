"""Reference section 3.3: every way in which the bytes can fail to come."""

from __future__ import annotations

import asyncio
import time
import zlib

import aiohttp
import pytest

from tests.unit.whatsapp_simulator.peers import Client
from whatsapp_simulator import SAMPLES, BodyForm, Fault, FaultName, Media, Simulator, Step

PDF = SAMPLES["pdf"].read()
IDENTITY = {"Accept-Encoding": "identity"}


@pytest.fixture
def media(sim: Simulator) -> Media:
    return sim.add_sample("pdf")


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Fault(name=FaultName.EXPIRED, at=Step.DOWNLOAD), 404, b"Not Found"),
        (Fault(name=FaultName.UNAUTHORIZED, at=Step.DOWNLOAD), 401, b'{"title":"Authentication Error"'),
        (Fault(name=FaultName.FORBIDDEN), 403, b""),
        (Fault(name=FaultName.GONE), 410, b""),
        (Fault(name=FaultName.RATE_LIMITED, at=Step.DOWNLOAD), 429, b""),
        (Fault(name=FaultName.SERVER_ERROR, at=Step.DOWNLOAD, status=500), 500, b""),
        (Fault(name=FaultName.SERVER_ERROR, at=Step.DOWNLOAD, status=502), 502, b""),
        (Fault(name=FaultName.SERVER_ERROR, at=Step.DOWNLOAD), 503, b""),
        (Fault(name=FaultName.HTTP_STATUS, status=418), 418, b""),
        (Fault(name=FaultName.HTTP_STATUS, status=403, body=BodyForm.HTML), 403, b"<!DOCTYPE html>"),
        (Fault(name=FaultName.HTTP_STATUS, status=404, body=BodyForm.JSON), 404, b'{"title":"Error"'),
        (Fault(name=FaultName.EMPTY, at=Step.DOWNLOAD), 200, b""),
        (Fault(name=FaultName.HTML), 200, b"<!DOCTYPE html>"),
        (Fault(name=FaultName.JSON), 200, b'{"messaging_product":"whatsapp"'),
    ],
)
async def test_something_else_is_answered_in_place_of_the_file(
    client: Client, media: Media, fault: Fault, status: int, body: bytes
) -> None:
    answer = await client.download(media, fault)

    assert answer.status == status
    assert answer.body.startswith(body)
    assert bool(answer.body) == bool(body)
    assert client.sim.requests.statuses(Step.DOWNLOAD, media.id) == {status: 1}


async def test_a_file_can_be_larger_than_metadata_says(client: Client, media: Media) -> None:
    answer = await client.download(media, Fault(name=FaultName.OVERSIZED, size_bytes=3))

    assert answer.body == PDF + bytes(3)
    assert answer.headers["Content-Length"] == str(len(PDF) + 3)


async def test_a_slow_body_comes_at_its_rate(client: Client, media: Media) -> None:
    began = time.monotonic()

    answer = await client.download(media, Fault(name=FaultName.SLOW_BODY, bytes_per_second=4000))

    assert answer.body == PDF
    assert time.monotonic() - began > 0.8 * len(PDF) / 4000


async def test_a_stall_pauses_after_the_given_bytes(
    client: Client, media: Media, session: aiohttp.ClientSession
) -> None:
    url = await client.link(media)
    client.sim.faults.put(media.id, Fault(name=FaultName.STALL, after_bytes=100, delay_seconds=0.2))

    async with session.get(url) as response:
        first = await response.content.readexactly(100)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(response.content.readany(), timeout=0.05)
        rest = await response.content.read()

    assert first + rest == PDF


async def test_a_reset_comes_after_the_given_bytes(
    client: Client, media: Media, session: aiohttp.ClientSession
) -> None:
    url = await client.link(media)
    client.sim.faults.put(media.id, Fault(name=FaultName.RESET, after_bytes=10))

    async with session.get(url) as response:
        with pytest.raises(aiohttp.ClientError):
            await response.read()

    assert response.headers["Content-Length"] == str(len(PDF))


@pytest.mark.parametrize("at", list(Step))
async def test_a_packed_body_comes_whether_accepted_or_not(client: Client, media: Media, at: Step) -> None:
    fault = Fault(name=FaultName.GZIP, at=at)

    answer = await (client.metadata(media, fault) if at is Step.METADATA else client.download(media, fault))

    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.body == PDF if at is Step.DOWNLOAD else answer.json["id"] == media.id


@pytest.mark.parametrize("size_bytes", [3 * 1024 * 1024 + 5, 0])
async def test_a_bomb_is_small_and_unpacks_to_its_size(client: Client, media: Media, size_bytes: int) -> None:
    url = await client.link(media)
    client.sim.faults.put(media.id, Fault(name=FaultName.GZIP_BOMB, size_bytes=size_bytes))

    head, body = await client.raw(url)

    assert b"Content-Encoding: gzip" in head
    assert len(body) < 8_000
    assert zlib.decompress(body, wbits=31) == bytes(size_bytes)


@pytest.mark.parametrize("at", list(Step))
async def test_a_length_can_be_too_large(client: Client, media: Media, at: Step) -> None:
    fault = Fault(name=FaultName.LENGTH_TOO_LARGE, at=at, size_bytes=7)
    url = client.metadata_url(media) if at is Step.METADATA else await client.link(media)
    client.sim.faults.put(media.id, fault)

    head, body = await client.raw(url)

    assert f"Content-Length: {len(body) + 7}".encode() in head
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.get(url)


@pytest.mark.parametrize(("shortfall", "announced"), [(7, len(PDF) - 7), (len(PDF), 0)])
async def test_a_length_can_be_too_small(client: Client, media: Media, shortfall: int, announced: int) -> None:
    url = await client.link(media)
    client.sim.faults.put(media.id, Fault(name=FaultName.LENGTH_TOO_SMALL, size_bytes=shortfall))

    head, body = await client.raw(url)

    assert f"Content-Length: {announced}".encode() in head
    assert body == PDF


async def test_a_length_can_be_missing(client: Client, media: Media) -> None:
    answer = await client.download(media, Fault(name=FaultName.NO_LENGTH))

    assert "Content-Length" not in answer.headers
    assert answer.body == PDF


@pytest.mark.parametrize("at", list(Step))
async def test_an_endless_body_ends_when_the_client_goes(
    client: Client, media: Media, at: Step, session: aiohttp.ClientSession
) -> None:
    url = client.metadata_url(media) if at is Step.METADATA else await client.link(media)
    client.sim.faults.put(media.id, Fault(name=FaultName.ENDLESS, at=at, times=1))

    async with session.get(url) as response:
        await response.content.readexactly(1024 * 1024)
        response.close()

    assert (await client.get(url)).status == 200


@pytest.mark.parametrize("at", list(Step))
async def test_headers_come_late(client: Client, media: Media, at: Step) -> None:
    fault = Fault(name=FaultName.SLOW, at=at, delay_seconds=0.1)
    began = time.monotonic()

    await (client.metadata(media, fault) if at is Step.METADATA else client.download(media, fault))

    assert time.monotonic() - began >= 0.1
