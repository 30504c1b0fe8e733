"""No block of the operations guide is there that no test has run."""

import re
from pathlib import Path

import pytest

from tests.runbook.blocks import DOCUMENT, Block, parse
from tests.runbook.runner import Record

HERE = Path(__file__).parent
COMPOSE = HERE.parent / "compose"
_RUN = re.compile(r"""\brun\(\s*"([a-z0-9-]+)\"""")


def unnamed(blocks: list[Block], tests: str) -> list[str]:
    """Blocks that no test names in a call of `run`."""
    return [block.name for block in blocks if block.name not in _RUN.findall(tests)]


def unexecuted(blocks: list[Block], record: Record) -> list[str]:
    """Blocks that were not run, or whose shown output nobody compared."""
    return [
        block.name
        for block in blocks
        if block.name not in record.executed or (block.shown is not None and block.name not in record.compared)
    ]


def test_a_test_names_every_block() -> None:
    blocks = parse(DOCUMENT.read_text())
    here = "".join(file.read_text() for file in HERE.glob("test_*.py") if file.name != Path(__file__).name)
    with_compose = "".join(file.read_text() for file in COMPOSE.glob("test_*.py"))

    assert unnamed([block for block in blocks if not block.compose], here) == []
    assert unnamed([block for block in blocks if block.compose], with_compose) == []


def test_every_block_was_run_and_printed_what_it_shows(request: pytest.FixtureRequest, record: Record) -> None:
    if not _whole_folder(request.session):
        pytest.skip("only a part of tests/runbook was run")

    assert unexecuted([block for block in parse(DOCUMENT.read_text()) if not block.compose], record) == []


def _whole_folder(session: pytest.Session) -> bool:
    options = session.config.option
    narrowed = (
        options.keyword or options.markexpr or options.deselect or any("::" in each for each in session.config.args)
    )
    return not narrowed and {item.path for item in session.items} >= set(HERE.glob("test_*.py"))
