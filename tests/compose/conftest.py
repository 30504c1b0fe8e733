"""One Compose project for the whole folder: built, started, used by all tests, and stopped without a trace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.runbook.blocks import DOCUMENT, parse

if TYPE_CHECKING:
    from tests.compose.project import Project
    from tests.compose.site import Site
    from tests.runbook.runner import Runbook

# The main job comes first. What changes the project for those that follow comes late. A container that is made anew
# begins a new log, so the logs are looked at before that.
_FIRST = ("test_demo_set.py",)
_LAST = (
    *("test_scaling.py", "test_restarts.py", "test_logs.py"),
    *("test_runbook_operations.py", "test_runbook_backup.py", "test_runbook_rotation.py", "test_runbook_complete.py"),
    "test_demo_profile.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; the tests of a file stay in theirs."""
    places = {name: place for place, name in enumerate(_LAST, start=1)} | dict.fromkeys(_FIRST, -1)
    items.sort(key=lambda item: places.get(item.path.name, 0))


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a line about what goes on between two tests."""
    terminal = request.config.pluginmanager.getplugin("terminalreporter")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    began = monotonic()

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(f"[{monotonic() - began:4.0f} s] {text}")

    return line


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def site(say: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Attache as `make up` starts it, a simulated Meta, and an operator; all through nginx."""
    from tests.compose.site import running_site  # the simulator: only for those who want it

    async with running_site(tmp_path_factory.mktemp("compose") / "attache", say) as site:
        yield site


@pytest.fixture(scope="session")
def project(site: Site) -> Project:
    """Its containers."""
    return site.project


@pytest.fixture(scope="session")
def runbook(project: Project) -> Runbook:
    """Runs blocks of the operations guide in the folder of this project, with `COMPOSE=1` in the shell."""
    from tests.runbook.runner import Record, Runbook

    return Runbook(
        blocks=parse(DOCUMENT.read_text()),
        folder=project.folder,
        environment={**project.environment, "COMPOSE": "1"},
        record=Record(),
        addresses={"http://127.0.0.1:8080": project.url},
        compose=True,
    )
