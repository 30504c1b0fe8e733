"""Where decoders run: confined processes, which may hang, burst or die without harm to the service or another file."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import structlog

from previewer.desk import Desk, DeskGone
from previewer.failures import RendererDefect, crashed, is_from_outside, of_answer, of_exit, out_of_time
from previewer.forking import NoProcesses, Nursery
from previewer.render import entry
from previewer.render.answers import Implausible
from previewer.render.job import Job, Limits, Rendered
from previewer.starvation import Stopwatch
from previewer.worker_process import Died, WorkerProcess
from shared.errors import PreviewCrashed, StorageFull, StorageUnavailable, TransientError
from shared.storage.os_errors import storage_error

T = TypeVar("T")
Place = Callable[[], AbstractAsyncContextManager[Path]]

log = structlog.get_logger(__name__)

_STORAGE_ERRORS = (StorageUnavailable, StorageFull)
_TOUCH_SECONDS = 600.0
_STOPPING = "the previewer is stopping"
_ENDED = "somebody ended the process that made the preview"


class SandboxUnavailable(TransientError):
    """No process took the file: the service is stopping, or cannot start any. It says nothing about the file."""


class Sandbox:
    """Runs up to `workers` renderings at once; further ones wait. `start()` before use, `close()` after.

    `place` gives each process an empty folder for as long as it lives; on the file system of the store, originals are
    not copied. A file that crashes a process which has served others is tried once more in another.
    """

    def __init__(self, *, workers: int, limits: Limits | None = None, place: Place | None = None) -> None:
        self._workers = workers
        self._limits = limits or Limits()
        self._place = place or _temporary_folder
        self._nursery: Nursery | None = None
        self._starting = asyncio.Lock()
        self._idle: asyncio.Queue[WorkerProcess | None] = asyncio.Queue()  # None: one is to be started
        self._places: dict[WorkerProcess, AsyncExitStack] = {}
        self._missing: Mapping[str, str] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._replacing: set[asyncio.Task[None]] = set()
        self._touching: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    @property
    def missing(self) -> Mapping[str, str]:
        """What the kernel lacks to confine a worker, and why; empty is best. Known once one was started."""
        return self._missing

    async def start(self) -> None:
        """Return when every worker is ready. Raises `SandboxUnavailable` if one cannot be started.

        Without a place for its files a worker is started later, for the first file that needs it.
        """
        self._touching = asyncio.create_task(self._touch())
        started = await asyncio.gather(*(self._new() for _ in range(self._workers)), return_exceptions=True)
        for worker in started:
            if isinstance(worker, WorkerProcess):
                self._idle.put_nowait(worker)
            elif isinstance(worker, _STORAGE_ERRORS):
                _tell_later(worker)
                self._idle.put_nowait(None)
            else:
                raise worker

    async def close(self) -> None:
        """End every process now. Renderings under way, or waiting for their turn, raise `SandboxUnavailable`."""
        self._closing.set()
        if self._touching is not None:
            self._touching.cancel()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*self._replacing, return_exceptions=True)
        await asyncio.gather(*(self._ended(worker) for worker in tuple(self._places)))
        async with self._starting:
            if self._nursery is not None:
                await self._nursery.close()

    async def render(self, job: Job) -> Rendered:
        """Make what the file of `job` lacks; the caller stores what is made and removes the folder.

        Raises `PreviewUnreadable`, `PreviewTimeout`, `PreviewOutOfMemory`, `PreviewCrashed` or `SandboxUnavailable`.
        Anything else is a defect or a broken disk. A failed rendering may leave files in `out_dir`.
        """
        job = replace(job, limits=self._limits)

        async def at_the_desk(worker: WorkerProcess) -> Rendered:
            laid = await _in_thread(lambda: worker.desk.lay(job))
            made = await self._ask(worker, entry.render, laid)
            try:
                return await _in_thread(lambda: worker.desk.collect(made, job))
            except Implausible as error:
                raise crashed(str(error)) from error

        return await self._run(at_the_desk)

    async def run(self, function: Callable[..., object], *args: object) -> Any:
        """Call a module-level function in a worker, under the same limits and with the same errors as `render`.

        Its answer comes back as JSON tells it: a tuple as a list.
        """
        return await self._run(lambda worker: self._ask(worker, function, *args))

    async def _run(self, use: Callable[[WorkerProcess], Awaitable[T]]) -> T:
        if self._closing.is_set():
            raise SandboxUnavailable(_STOPPING)
        task = asyncio.ensure_future(self._used(use))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self._closing.is_set() and caller is not None and not caller.cancelling():
                raise SandboxUnavailable(_STOPPING) from None  # it is we who gave up, not our caller
            raise

    async def _used(self, use: Callable[[WorkerProcess], Awaitable[T]]) -> T:
        is_suspect = False
        for _ in range(2 + self._workers):  # all that wait may have been killed from outside
            worker = await self._taken()
            try:
                result = await use(worker)
            except (NoProcesses, DeskGone):
                self._replace(worker)  # it says nothing about the file
            except PreviewCrashed:
                self._replace(worker)
                if is_suspect or worker.files == 1:
                    raise
                is_suspect = True  # or an earlier file has left the process in pieces
            except BaseException:
                # what failed once in a process may have left anything behind in it
                self._replace(worker)
                raise
            else:
                if worker.is_spent:
                    self._replace(worker)
                else:
                    self._idle.put_nowait(worker)
                return result
        raise _no_processes()

    async def _ask(self, worker: WorkerProcess, function: Callable[..., object], *args: object) -> Any:
        watch = Stopwatch(worker.process_id, self._limits)
        try:
            async with asyncio.timeout(self._limits.seconds):
                answer = await worker.ask(function, *args)
        except TimeoutError as error:
            raise out_of_time(self._limits, kept_waiting=watch.kept_waiting) from error
        except Died as error:
            exit_code = await worker.end()
            if exit_code is None:  # all of them died with the nursery
                raise NoProcesses from error
            if is_from_outside(exit_code):
                raise SandboxUnavailable(_ENDED) from error
            raise of_exit(exit_code, self._limits, kept_waiting=watch.kept_waiting) from error
        if "made" not in answer:
            failure = of_answer(answer, self._limits)
            if isinstance(failure, RendererDefect):
                log.error("sandbox.renderer_defect", kind=str(failure), at=failure.__notes__, next="report this line")
            raise failure
        return answer["made"]

    async def _taken(self) -> WorkerProcess:
        waiting = await self._idle.get()
        if waiting is not None:
            return waiting
        try:
            return await self._new()
        except BaseException:
            self._idle.put_nowait(None)
            raise

    def _replace(self, worker: WorkerProcess) -> None:
        async def replace_it() -> None:
            fresh = None
            try:
                await self._ended(worker)
                if not self._closing.is_set():
                    fresh = await self._new()
            except TransientError as error:
                if not self._closing.is_set():
                    _tell_later(error)
            finally:
                self._idle.put_nowait(fresh)

        task = asyncio.create_task(replace_it())
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _new(self) -> WorkerProcess:
        for _ in range(2):  # the nursery may have been killed a moment ago
            if self._closing.is_set():
                raise SandboxUnavailable(_STOPPING)
            with contextlib.suppress(NoProcesses):
                return await self._born()
        raise _no_processes()

    async def _born(self) -> WorkerProcess:
        nursery = await self._living_nursery()
        async with AsyncExitStack() as stack:
            desk = Desk(await stack.enter_async_context(self._place()))
            try:
                await _in_thread(desk.set_up)
            except OSError as error:
                raise storage_error(error) from error
            worker = WorkerProcess(nursery, desk)
            stack.push_async_callback(worker.end)
            self._missing = await worker.start(self._limits)
            if self._closing.is_set():
                raise SandboxUnavailable(_STOPPING)
            self._places[worker] = stack.pop_all()
        return worker

    async def _living_nursery(self) -> Nursery:
        async with self._starting:
            if self._closing.is_set():
                raise SandboxUnavailable(_STOPPING)
            if self._nursery is not None and self._nursery.is_gone:
                await self._nursery.close()
                self._nursery = None
            if self._nursery is None:
                try:
                    self._nursery = await Nursery.started()
                except OSError as error:
                    raise _no_processes() from error
            return self._nursery

    async def _touch(self) -> None:
        while True:
            await asyncio.sleep(_TOUCH_SECONDS)
            for worker in tuple(self._places):
                await asyncio.to_thread(worker.desk.touch)

    async def _ended(self, worker: WorkerProcess) -> None:
        await self._places.pop(worker).aclose()


def _tell_later(error: TransientError) -> None:
    log.warning("sandbox.waiting", reason=str(error), next="a worker is started when the next file needs it")


def _no_processes() -> SandboxUnavailable:
    return SandboxUnavailable("no worker process can be started to make the preview")


async def _in_thread(function: Callable[[], T]) -> T:
    """To its end even when cancelled: what it still wrote into a removed folder would stay there."""
    thread = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise


@asynccontextmanager
async def _temporary_folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
