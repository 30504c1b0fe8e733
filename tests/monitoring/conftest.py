"""A monitored stack with load on it, made once for all tests that only look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from tests.e2e.world import World
    from tests.monitoring.prometheus import Prometheus


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def loaded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[World, Prometheus]]:
    """A stack in which everything has happened that a metric can tell of, twice, and a Prometheus that saw it."""
    from tests.monitoring.load import LOADED, load  # the whole stack: only for those who want it
    from tests.monitoring.stack import watched

    async with watched(tmp_path_factory.mktemp("monitored"), **LOADED) as (world, prom):
        await load(world)
        await load(world)
        yield world, prom
