"""Where decoders run: a fresh, confined process for each file, which may hang, burst or die without harm to another."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pebble import ProcessExpired

from previewer.plan import RenditionSpec
from previewer.render import worker
from previewer.render.job import MIB, Limits, Rendered
from previewer.render.pool import Pool
from shared.errors import PreviewCrashed, PreviewError, PreviewOutOfMemory, PreviewTimeout, TransientError

P = ParamSpec("P")
T = TypeVar("T")

_START_SECONDS = 30.0
_NO_ANSWER_SECONDS = 10.0  # on top of the time limit, for a pool that is too broken to say that time is over
_OUT_OF_TIME = frozenset({-signal.SIGXCPU, -signal.SIGALRM})
_SIGNALS = {int(number): number.name for number in signal.Signals}
_STOPPING = "the previewer is stopping"


class SandboxUnavailable(TransientError):
    """No process took the file: the service is stopping, or cannot start any. It says nothing about the file."""


class Sandbox:
    """Runs up to `workers` renderings at once; further ones wait. `start()` before use, `close()` after."""

    def __init__(self, *, workers: int, limits: Limits | None = None) -> None:
        self._workers = workers
        self._limits = limits or Limits()
        self._idle: asyncio.Queue[Pool] = asyncio.Queue()
        self._running: set[asyncio.Task[Any]] = set()
        self._replacing: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    async def start(self) -> None:
        """Return when every worker has answered once. Raises `TimeoutError` or `SandboxUnavailable` if one cannot."""
        for _ in range(self._workers):
            self._idle.put_nowait(Pool(self._limits))
        async with asyncio.timeout(_START_SECONDS):
            await asyncio.gather(*(self.run(os.getpid) for _ in range(self._workers)))

    async def close(self) -> None:
        """End every process now. Renderings under way, or waiting for their turn, raise `SandboxUnavailable`."""
        self._closing.set()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*self._replacing)
        idle = [self._idle.get_nowait() for _ in range(self._idle.qsize())]
        await asyncio.gather(*(asyncio.to_thread(pool.stop) for pool in idle))

    async def render(self, source: Path, out_dir: Path, specs: Sequence[RenditionSpec], mime_type: str) -> Rendered:
        """Render `source` into files in `out_dir`, which must exist; the caller stores them and removes it.

        Raises `PreviewUnreadable`, `PreviewTimeout`, `PreviewOutOfMemory`, `PreviewCrashed` or `SandboxUnavailable`.
        Anything else is a defect or a broken disk. A failed rendering may leave files in `out_dir`.
        """
        return await self.run(worker.render, source, out_dir, tuple(specs), mime_type, self._limits)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module-level function in a worker, under the same limits and with the same errors as `render`."""
        if self._closing.is_set():
            raise SandboxUnavailable(_STOPPING)
        task = asyncio.create_task(self._run(function, *args, **kwargs))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self._closing.is_set() and caller is not None and not caller.cancelling():
                raise SandboxUnavailable(_STOPPING) from None  # it is we who gave up, not our caller
            raise

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            try:
                return await self._in_pool(function, *args, **kwargs)
            except BrokenProcessPool:  # its waiting process was killed from outside; the file was never looked at
                return await self._in_pool(function, *args, **kwargs)
        except BrokenProcessPool as error:
            msg = "no worker process can be started to make the preview"
            raise SandboxUnavailable(msg) from error
        except (ProcessExpired, TimeoutError, MemoryError) as error:
            raise _explained(error, self._limits) from error

    async def _in_pool(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._lent_pool() as pool, asyncio.timeout(self._limits.seconds + _NO_ANSWER_SECONDS):
            future = await asyncio.to_thread(lambda: pool.submit(function, *args, **kwargs))
            return await asyncio.wrap_future(future)

    @asynccontextmanager
    async def _lent_pool(self) -> AsyncIterator[Pool]:
        pool = await self._idle.get()
        try:
            yield pool
        except (ProcessExpired, BrokenProcessPool, TimeoutError, asyncio.CancelledError):
            # Not an answer. A process that was killed may leave pipe and lock in any state: take no chances.
            task = asyncio.create_task(self._replace(pool))
            self._replacing.add(task)
            task.add_done_callback(self._replacing.discard)
            raise
        except BaseException:
            self._idle.put_nowait(pool)
            raise
        self._idle.put_nowait(pool)

    async def _replace(self, pool: Pool) -> None:
        await asyncio.to_thread(pool.stop)
        self._idle.put_nowait(Pool(self._limits))


def _explained(error: ProcessExpired | TimeoutError | MemoryError, limits: Limits) -> PreviewError:
    if isinstance(error, MemoryError):
        return PreviewOutOfMemory(f"making the preview needs more than {limits.memory_bytes / MIB:,.0f} MiB of memory")
    if isinstance(error, TimeoutError) or error.exitcode in _OUT_OF_TIME:
        return PreviewTimeout(f"making the preview takes longer than {limits.seconds:g} s")
    return PreviewCrashed(f"the decoder died on this file ({_cause(error.exitcode)})")


def _cause(exit_code: int) -> str:
    return f"exit code {exit_code}" if exit_code >= 0 else _SIGNALS.get(-exit_code, f"signal {-exit_code}")
