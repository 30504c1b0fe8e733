"""What the operations guide names is there: headings, files, make targets, commands."""

import re

import typer.core
import typer.main

from shared.cli import app
from tests.runbook.blocks import DOCUMENT
from tests.runbook.clone import ROOT

TEXT = DOCUMENT.read_text()
CODE = re.findall(r"```sh.*?```|`[^`\n]+`", TEXT, re.DOTALL)


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_lead_somewhere() -> None:
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}
    links = re.findall(r"\]\(([^)]+)\)", TEXT)

    lost = [
        link
        for link in links
        if not link.startswith("https://")
        and (link[1:] not in anchors if link.startswith("#") else not (DOCUMENT.parent / link).exists())
    ]

    assert lost == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = {target for code in CODE for target in re.findall(r"\bmake ([a-z][a-z-]*)", code)}

    assert named <= targets


def test_commands_exist() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)

    named = {command for code in CODE for command in re.findall(r"(?:^|[`$(\n] *)attache ([a-z][a-z-]*)", code)}

    assert named
    assert named <= set(group.commands)
