"""The recorded run, and clients of its services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    import aiohttp

    from tests.contract.recorded_run import Run
    from tests.e2e.world import World


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def run(world: World) -> AsyncIterator[Run]:
    """Done once; most tests of the contract only look at what it left."""
    from tests.contract.recorded_run import recorded  # only for those who want it, as in tests/conftest.py

    async with recorded(world) as run:
        yield run


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def gateway(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the webhook-gateway."""
    import aiohttp

    async with aiohttp.ClientSession(world.stack.url("webhook-gateway")) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def stranger(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the media-server without a token."""
    import aiohttp

    async with aiohttp.ClientSession(world.stack.url("media-server")) as client:
        yield client
