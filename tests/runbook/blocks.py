"""The command blocks of the operations guide, as they stand in the file.

A block of commands is a fence "sh name=<name>", with "compose" behind it when it needs Docker Compose. What one should
see follows it in a fence "text". There is no other kind of fence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)$")
_COMMANDS = re.compile(r"sh name=(?P<name>[a-z0-9][a-z0-9-]*)(?P<compose> compose)?")
_HEADING = re.compile(r"^#+ (?P<heading>.+)$")
_SETTING = re.compile(
    r"(export )?(?P<variable>[A-Z_]+)=([^\s\"]*\$\(.*\)|\"[^\"]*\"|\S*)|(?P<function>[a-z_]+)\(\) \{ .+; \}"
)


class Misprint(Exception):
    """The document has a fence that nobody could run or check."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Commands as a person copies them, and what the document says that one sees then."""

    name: str
    text: str
    heading: str
    compose: bool
    shown: str | None

    @property
    def sets(self) -> frozenset[str]:
        """The variables and functions, when this block only sets such things for those that follow; else none."""
        lines = [line for line in self.text.splitlines() if line.strip() and not line.startswith("#")]
        found = [_SETTING.fullmatch(line) for line in lines]
        return frozenset(each["variable"] or each["function"] for each in found if each) if all(found) else frozenset()


def parse(document: str) -> Sequence[Block]:
    """Every block, in the order of the document. Raises Misprint."""
    blocks: list[Block] = []
    for fence in _fences(document):
        if fence.info == "text":
            if not blocks or blocks[-1].heading != fence.heading or blocks[-1].shown is not None:
                raise Misprint(f"line {fence.line}: this output follows no block of commands in its section")
            blocks[-1] = Block(**{**vars(blocks[-1]), "shown": fence.text})
            continue
        commands = _COMMANDS.fullmatch(fence.info)
        if commands is None:
            raise Misprint(f"line {fence.line}: ```{fence.info} is neither `sh name=…`, `sh name=… compose` nor `text`")
        if any(block.name == commands["name"] for block in blocks):
            raise Misprint(f"line {fence.line}: another block is called {commands['name']}")
        blocks.append(
            Block(
                name=commands["name"],
                text=fence.text,
                heading=fence.heading,
                compose=commands["compose"] is not None,
                shown=None,
            )
        )
    return blocks


@dataclass(frozen=True, kw_only=True)
class _Fence:
    line: int
    info: str
    text: str
    heading: str


def _fences(document: str) -> Sequence[_Fence]:
    fences: list[_Fence] = []
    heading, opened, indent, inside = "", 0, "", list[str]()
    info = ""
    for number, line in enumerate(document.splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened and fence and not fence["info"]:
            fences.append(_Fence(line=opened, info=info, text="\n".join(inside) + "\n", heading=heading))
            opened = 0
        elif opened:
            inside.append(line.removeprefix(indent))
        elif fence:
            opened, indent, info, inside = number, fence["indent"], fence["info"].strip(), []
        elif title := _HEADING.match(line):
            heading = title["heading"]
    if opened:
        raise Misprint(f"line {opened}: this fence is never closed")
    return fences
