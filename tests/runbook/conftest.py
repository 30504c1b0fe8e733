"""One running Attache for the whole folder, and the blocks of the operations guide to be run beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.runbook.blocks import DOCUMENT, parse
from tests.runbook.runner import Record, Runbook

if TYPE_CHECKING:
    from tests.e2e.world import World
    from tests.infrastructure import TestServers

LAST = DOCUMENT.parents[1] / "tests" / "runbook" / "test_complete.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whether every block was run is asked when all have had their chance."""
    items.sort(key=lambda item: item.path == LAST)


@pytest.fixture(scope="session")
def record() -> Record:
    """What was run in this session."""
    return Record()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def live(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One running Attache for all blocks that leave services and servers alone. Send media of your own."""
    from tests.e2e.world import running_world  # the whole stack and the simulator: only for those who want them

    async with running_world(servers, tmp_path_factory.mktemp("live")) as world:
        yield world


@pytest.fixture(scope="session")
def runbook_of(record: Record, tmp_path_factory: pytest.TempPathFactory) -> Callable[[World], Runbook]:
    """Makes the runbook of a world of your own, for blocks that stop services or break servers."""
    from tests.runbook.clone import addresses, clone, shell_environment

    blocks = parse(DOCUMENT.read_text())

    def made(world: World) -> Runbook:
        folder = clone(tmp_path_factory.mktemp("runbook") / "attache", world)
        return Runbook(
            blocks=blocks,
            folder=folder,
            environment=shell_environment(),
            record=record,
            addresses=addresses(world),
        )

    return made


@pytest.fixture(scope="session")
def runbook(live: World, runbook_of: Callable[[World], Runbook]) -> Runbook:
    """The runbook of `live`."""
    return runbook_of(live)
