"""Who makes previews: processes that take one order a line and answer it, and what they have used so far."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.bench import procfs
from tests.bench.node_peer import FOLDER as PEERS
from tests.bench.processes import MeasurementFailed

_ANSWER_SECONDS = 120.0
_STOP_SECONDS = 10.0


class Painter:
    """A running process, which leads a session of its own."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    def cpu_seconds(self) -> float:
        """Of all its processes and threads so far."""
        return procfs.cpu_seconds(self._process.pid)

    async def order(self, order: Mapping[str, object]) -> dict[str, Any]:
        """Its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(_ANSWER_SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            msg = f"{self.name} ended while it made a preview; what it said is above"
            raise MeasurementFailed(msg)
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def attache(name: str, *, workers: int, folder: Path) -> AsyncIterator[Painter]:
    """Our sandbox with so many workers."""
    async with _running(name, [sys.executable, "-m", "tests.bench.preview_server", str(workers), str(folder)]) as one:
        yield one


@asynccontextmanager
async def sharp(name: str, *, effort: int) -> AsyncIterator[Painter]:
    """`peers/previews.mjs`; `effort` is libwebp's method, which sharp sets to 4 unless told otherwise."""
    async with _running(name, ["node", str(PEERS / "previews.mjs"), str(effort)]) as one:
        yield one


@asynccontextmanager
async def _running(name: str, command: Sequence[str]) -> AsyncIterator[Painter]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        yield Painter(name, process)
        assert process.stdin is not None
        process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
