"""The nursery seen from the service: it forks worker processes, kills them, and tells how they ended."""

import asyncio
import contextlib
import json
import socket
import sys
from pathlib import Path

from previewer.render import nursery
from previewer.render.nursery import FORK, NOBODY, REPORT, REQUEST, STARTED

_STOP_SECONDS = 5.0


class NoProcesses(Exception):
    """None can be started, or the one that was to take the file had ended before. It says nothing about the file."""


class Nursery:
    """A process with an empty environment and no open file of the service; it has the decoders loaded."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.process_id = process.pid
        self._process = process
        self._control = control
        self._forking = asyncio.Lock()  # one after the other: what waits in the socket is limited
        self._asked: list[asyncio.Future[int]] = []
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def started(cls) -> "Nursery":
        """Started, though its decoders may still be loading. Raises `OSError`."""
        ours, its = socket.socketpair()
        ours.setblocking(False)
        with its:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                nursery.__file__,
                str(its.fileno()),
                _import_path(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env={},
                pass_fds=[its.fileno()],
            )
        return cls(process, ours)

    @property
    def is_gone(self) -> bool:
        """Whether another one is needed."""
        return self._listening.done()

    async def fork(self, requests: int, answers: int) -> int:
        """A worker with these ends of two pipes; its id. Raises `NoProcesses`."""
        async with self._forking:
            if self.is_gone:
                raise NoProcesses
            try:
                socket.send_fds(self._control, [REQUEST.pack(FORK)], [requests, answers])
            except BlockingIOError as error:
                raise NoProcesses from error
            except OSError as error:
                await self._listening  # it is gone, and hears so in a moment
                raise NoProcesses from error
            started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._asked.append(started)
            return await started

    async def end(self, worker: int) -> int | None:
        """Kill a worker unless it has ended already; its exit code, negative for a signal.

        None when it went with the nursery, so that nobody knows what came first.
        """
        end = self._ends.get(worker)
        if end is None:
            return None
        with contextlib.suppress(OSError):  # then the nursery is gone, and its workers with it
            self._control.send(REQUEST.pack(worker))
        try:
            return await asyncio.wait_for(asyncio.shield(end), _STOP_SECONDS)
        except NoProcesses:
            return None
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()  # it obeys no more; its workers die with it
            return None
        finally:
            self._ends.pop(worker, None)

    async def close(self) -> None:
        """End it and every worker."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._control.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        told = b""
        try:
            while heard := await loop.sock_recv(self._control, 4096):
                told += heard
                while len(told) >= REPORT.size:
                    worker, what = REPORT.unpack(told[: REPORT.size])
                    told = told[REPORT.size :]
                    self._hear(worker, what)
        except OSError:
            pass
        finally:
            for waiting in (*self._asked, *self._ends.values()):
                if not waiting.done():
                    waiting.set_exception(NoProcesses())
                    waiting.exception()  # perhaps nobody waits

    def _hear(self, worker: int, what: int) -> None:
        if what == STARTED:
            waiting = self._asked.pop(0)
            if waiting.done():
                return  # given up; it ends when it reads that its pipes are closed
            if worker == NOBODY:
                waiting.set_exception(NoProcesses())
            else:
                self._ends[worker] = asyncio.get_running_loop().create_future()
                waiting.set_result(worker)
        elif (end := self._ends.get(worker)) is not None and not end.done():
            end.set_result(what)


def _import_path() -> str:
    return json.dumps([str(Path(entry).absolute()) for entry in sys.path])
