"""docs/simulator.md names everything that there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from whatsapp_simulator import FAULTS, KINDS, BodyForm, RetryAfterForm, Shape, Simulator, Target
from whatsapp_simulator.control import ControlRoutes
from whatsapp_simulator.fault_input import OPTIONS, parse_fault

PAGE = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
IN_CODE = set(re.findall(r"`([^`\n]+)`", PAGE))


def rows(heading: str, columns: int) -> list[tuple[str, ...]]:
    """The rows of the first table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.search(r"\|---.*\n((?:\|.*\n)+)", section)
    assert table is not None
    cells = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table[1].splitlines()]
    return [row[:columns] for row in cells]


def test_the_kinds_are_those_that_there_are() -> None:
    expected = [(f"`{name}`", kind.words, str(kind.attachments)) for name, kind in KINDS.items()]

    assert rows("Kinds", 3) == expected


def test_the_faults_are_those_that_there_are() -> None:
    expected = [(f"`{name}`", ", ".join(kind.steps), kind.words) for name, kind in FAULTS.items()]

    assert rows("Faults", 3) == expected


def test_every_option_and_its_values_are_named() -> None:
    values = {*BodyForm, *RetryAfterForm, *Shape, *Target}

    assert {option for option in OPTIONS if option != "at"} | {str(value) for value in values} <= IN_CODE


def test_every_fault_in_an_example_can_be_written_so() -> None:
    written = re.findall(r"--fault ([a-z]\S+)", PAGE)

    assert len(written) >= 8
    for text in written:
        parse_fault(text)


def test_every_control_route_is_named() -> None:
    groups = ControlRoutes(Simulator(app_secret="s")).routes()
    paths = {f"{method} /_control/{path}" for method, path in groups}

    named = {re.sub(r"\{\w+\}", "{}", text) for text in IN_CODE}
    assert {re.sub(r"\{\w+\}", "{}", path) for path in paths} <= named
