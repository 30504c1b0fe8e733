"""`attache simulate` where the simulator is not installed."""

from __future__ import annotations

import importlib.util

import pytest
import typer
from typer.testing import CliRunner

from shared.cli import simulate


def test_a_missing_simulator_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    app = typer.Typer()
    app.command(context_settings=simulate.PASS_THROUGH)(simulate.simulate)

    result = CliRunner().invoke(app, ["--port", "0", "--help"])

    assert result.exit_code == 1
    assert result.stderr.startswith("the simulator is not installed here")
