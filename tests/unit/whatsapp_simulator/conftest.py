from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.unit.whatsapp_simulator.peers import Client, Receiver
from whatsapp_simulator import Clock, Simulator

NOW = 1_790_000_000.0


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    simulator = Simulator(
        app_secret="demo-app-secret",
        verify_token="demo-verify-token",
        clock=Clock(source=lambda: NOW),
        retry_delays_seconds=(0.0, 0.0),
    )
    async with simulator:
        yield simulator


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=10)
    headers = {"Authorization": "Bearer demo-access-token"}
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield session


@pytest.fixture
async def client(sim: Simulator, session: aiohttp.ClientSession) -> Client:
    return Client(sim, session)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_get("/hook", receiver.verify)
    app.router.add_post("/hook", receiver.receive)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver
