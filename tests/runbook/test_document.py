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


def leads_somewhere(link: str) -> bool:
    """To a file that is there, and in a page to one of its headings."""
    name, _, wanted = link.partition("#")
    page = DOCUMENT.parent / name if name else DOCUMENT
    if not wanted:
        return page.exists()
    return page.exists() and wanted in map(anchor, re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE))


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)

    lost = [link for link in links if not link.startswith("https://") and not leads_somewhere(link)]

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
