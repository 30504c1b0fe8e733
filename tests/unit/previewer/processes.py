"""The processes of a sandbox, watched from a test."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from previewer.sandbox import Place


def place_in(folder: Path) -> Place:
    """The first process of a sandbox can write into `folder/0/out`, the second into `folder/1/out`."""
    numbers = itertools.count()

    @asynccontextmanager
    async def place() -> AsyncIterator[Path]:
        (here := folder / str(next(numbers))).mkdir()
        yield here

    return place


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, at most ten seconds."""

    def wait() -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.01)

    await asyncio.to_thread(wait)


def is_written(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def is_gone(process_id: int) -> bool:
    return not Path(f"/proc/{process_id}").exists()


def is_zombie(process_id: int) -> bool:
    return ") Z " in Path(f"/proc/{process_id}/stat").read_text(encoding="ascii")


def children(process_id: int) -> list[int]:
    tasks = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(child) for child in tasks.read_text(encoding="ascii").split()]
