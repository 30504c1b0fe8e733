"""A command that a message names can be typed as it stands there."""

import os
import sys
from pathlib import Path

import pytest

from shared.cli.command import attache


@pytest.mark.parametrize(
    ("called", "says"),
    [
        (".venv/bin/attache", ".venv/bin/attache"),
        ("/opt/my attache/attache", "'/opt/my attache/attache'"),
        ("attache", "attache"),
        ("/usr/bin/pytest", "attache"),
    ],
)
def test_it_is_named_as_it_was_called(called: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [called])

    assert attache() == says


def test_where_the_name_is_enough_it_is_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "attache"
    program.write_text("#!/bin/sh")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys, "argv", [str(program)])

    assert attache() == "attache"
