"""No Compose block of the operations guide is there that this run has not run."""

from pathlib import Path

import pytest

from tests.runbook.runner import Runbook
from tests.runbook.test_complete import unexecuted

_HERE = Path(__file__).parent


def test_every_compose_block_was_run_and_printed_what_it_shows(
    runbook: Runbook, request: pytest.FixtureRequest
) -> None:
    asked = request.config.option
    if asked.keyword or {item.path for item in request.session.items} < set(_HERE.glob("test_*.py")):
        pytest.skip("only a part of tests/compose was run")

    assert unexecuted([block for block in runbook.blocks if block.compose], runbook.record) == []
