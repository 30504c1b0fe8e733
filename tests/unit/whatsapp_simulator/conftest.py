from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

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
