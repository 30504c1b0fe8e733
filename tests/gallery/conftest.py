"""The gallery's files go through the services once, for all tests that look at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    from tests.e2e.world import World
    from tests.gallery.exhibits import Exhibit


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def exhibits(world: World) -> Mapping[str, Exhibit]:
    """What became of every sample."""
    from tests.gallery.exhibits import gathered  # the whole stack: only for those who want it

    return await gathered(world)
