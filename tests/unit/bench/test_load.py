"""The load generator, against a gateway that does what the test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.bench.load import NO_ANSWER, Generator, Order
from tests.bench.webhooks import SignedWebhook, write_webhooks

Answer = Callable[[web.Request], Awaitable[web.Response]]


@pytest.fixture
def webhooks(tmp_path: Path) -> Path:
    """Three different ones."""
    path = tmp_path / "webhooks.jsonl"
    made = [SignedWebhook(body=f'{{"n":{n}}}', signature=f"sha256={n}", message_ids=(f"m{n}",)) for n in range(3)]
    write_webhooks(path, made)
    return path


@asynccontextmanager
async def gateway(answer: Answer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/webhooks/whatsapp", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/webhooks/whatsapp"))


async def test_each_webhook_arrives_once_with_its_own_signature(webhooks: Path) -> None:
    arrived: list[tuple[str, str]] = []

    async def accept(request: web.Request) -> web.Response:
        arrived.append((await request.text(), request.headers["X-Hub-Signature-256"]))
        return web.Response()

    async with gateway(accept) as url:
        load = await Generator(Order(url=url, webhooks=webhooks, count=2, skip=1, connections=1, seconds=10)).run()

    assert arrived == [('{"n":1}', "sha256=1"), ('{"n":2}', "sha256=2")]
    assert [sample.status for sample in load.samples] == [200, 200]


async def test_a_closed_loop_keeps_every_connection_busy_and_no_more(webhooks: Path) -> None:
    under_way, most = 0, 0

    async def slowly(_: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.005)
        under_way -= 1
        return web.Response()

    async with gateway(slowly) as url:
        load = await Generator(Order(url=url, webhooks=webhooks, count=40, connections=4, seconds=10)).run()

    assert most == 4
    assert len(load.samples) == 40


async def test_at_a_constant_rate_a_stall_is_charged_to_everything_that_had_to_wait(webhooks: Path) -> None:
    stalled = False

    async def stall_once(_: web.Request) -> web.Response:
        nonlocal stalled
        if not stalled:
            stalled = True
            await asyncio.sleep(0.3)
        return web.Response()

    async with gateway(stall_once) as url:
        order = Order(url=url, webhooks=webhooks, connections=1, rate=100, count=20, seconds=10)
        load = await Generator(order).run()

    # due every 10 ms, and all of them behind the first one that took 300 ms
    assert [round(sample.due, 2) for sample in load.samples] == [round(n / 100, 2) for n in range(20)]
    assert min(sample.seconds for sample in load.samples) > 0.1


async def test_other_answers_are_told_as_they_are(webhooks: Path) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=503, text="later")

    async with gateway(refuse) as url:
        load = await Generator(Order(url=url, webhooks=webhooks, count=3, connections=2, seconds=10)).run()

    assert [sample.status for sample in load.samples] == [503, 503, 503]


async def test_a_connection_that_is_cut_is_no_answer(webhooks: Path) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with gateway(cut) as url:
        load = await Generator(Order(url=url, webhooks=webhooks, count=1, connections=1, seconds=10)).run()

    assert [sample.status for sample in load.samples] == [NO_ANSWER]
