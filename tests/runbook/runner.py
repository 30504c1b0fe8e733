"""Runs blocks of the operations guide as a person does who copies them into a shell."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.runbook.blocks import Block
from tests.runbook.shown import first_missing

_VARIABLE_OR_COMMAND = re.compile(r"(?:\$\{?|^\s*|[|;&(]\s*)([A-Za-z_]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a block ended, and what a person saw."""

    code: int
    stdout: str
    stderr: str

    @property
    def seen(self) -> str:
        """Both, as on a terminal."""
        return self.stdout + self.stderr


@dataclass(frozen=True)
class Record:
    """Which blocks were run in this session, and whose shown output was printed."""

    executed: set[str] = field(default_factory=set)
    compared: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Runbook:
    """The blocks, a folder that looks like a clone, and the environment of the person's shell.

    addresses: what stands in the document for every reader, and what it is here. compose: whether this clone runs with
    Docker Compose; without it, blocks that need it are refused.
    """

    blocks: Sequence[Block]
    folder: Path
    environment: Mapping[str, str]
    record: Record
    addresses: Mapping[str, str] = field(default_factory=dict)
    compose: bool = False

    async def run(
        self,
        name: str,
        *,
        replace: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        code: int | None = 0,
        shown: bool = True,
        seconds: float = 120,
    ) -> Ran:
        """The very text of the block, in bash, after the blocks that set its variables.

        replace: examples in the text and what is meant here; each must be in the text. code: the exit code it must end
        with; None for any. shown: compare with the output that the document shows, if it shows one.
        """
        block = self.block(name)
        script = filled_in(block.text, replace or {}, self.addresses)
        ran = await self._shell(self._variables_of(block) + script, {**self.environment, **(env or {})}, stdin, seconds)
        told = f"{name} ended with {ran.code}\n{ran.stdout}\n{ran.stderr}"
        assert code is None or ran.code == code, told
        self.record.executed.add(name)
        if shown and block.shown is not None:
            missing = first_missing(_replaced(block.shown, {**self.addresses, **(replace or {})}), ran.seen)
            assert missing is None, f"the document shows this line, which was not printed: {missing}\n{told}"
            self.record.compared.add(name)
        return ran

    def block(self, name: str) -> Block:
        """The block of this name."""
        found = next((block for block in self.blocks if block.name == name), None)
        assert found is not None, f"the document has no block {name}"
        assert self.compose or not found.compose, f"{name} needs Docker Compose; its test belongs to tests/compose"
        return found

    def _variables_of(self, block: Block) -> str:
        """The nearest earlier blocks that set what this one uses, those of the same kind (Compose or not) first."""
        wanted = set(_VARIABLE_OR_COMMAND.findall(block.text)) - block.sets
        earlier = self.blocks[: self.blocks.index(block)]
        usable = [each for each in earlier if each.sets and (self.compose or not each.compose)]
        usable.sort(key=lambda each: each.compose != self.compose)
        chosen = []
        for each in usable:
            if wanted & each.sets:
                chosen.append(each)
                wanted -= each.sets
        self.record.executed.update(each.name for each in chosen)
        return "".join(_replaced(each.text, self.addresses) for each in chosen)

    async def _shell(self, script: str, environment: Mapping[str, str], stdin: str, seconds: float) -> Ran:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            cwd=self.folder,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin.encode()), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Ran(code=process.returncode, stdout=out.decode(), stderr=err.decode())


def filled_in(text: str, replace: Mapping[str, str], addresses: Mapping[str, str]) -> str:
    """The text with these examples replaced, each of which must be in it, and with the addresses of here."""
    for example in replace:
        assert example in text, f"{example} is not in this block:\n{text}"
    return _replaced(text, {**addresses, **replace})


def _replaced(text: str, replace: Mapping[str, str]) -> str:
    if not replace:
        return text
    longest_first = sorted(replace, key=len, reverse=True)
    return re.sub("|".join(re.escape(example) for example in longest_first), lambda found: replace[found[0]], text)
