"""One worker process seen from the service: told what to do through a pipe, and read with care."""

import asyncio
import json
import os
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from previewer.desk import Desk
from previewer.forking import NoProcesses, Nursery
from previewer.render.job import Limits

_START_SECONDS = 60.0  # the nursery may be loading decoders from a cold disk
_ANSWER_BYTES = 256 * 1024
_FILES = 100


class Died(Exception):
    """It ended instead of answering, or said more than any of ours would. `end()` tells how."""


class WorkerProcess:
    """Takes one file at a time. `end()` it whenever it was started, even in vain, or `is_spent`."""

    def __init__(self, nursery: Nursery, desk: Desk) -> None:
        self.desk = desk
        self.process_id: int | None = None
        self.files = 0
        self.is_spent = False
        self._nursery = nursery
        self._requests: int | None = None
        self._answers = asyncio.StreamReader(limit=_ANSWER_BYTES)
        self._transport: asyncio.ReadTransport | None = None

    async def start(self, limits: Limits) -> Mapping[str, str]:
        """Return when it is confined: what the kernel lacks for that, and why. Raises `NoProcesses`."""
        its_requests, self._requests = os.pipe()
        answers, its_answers = os.pipe()
        try:
            os.set_blocking(self._requests, False)  # a request fits into the pipe
            self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(self._answers), os.fdopen(answers, "rb", buffering=0)
            )
            self.process_id = await self._nursery.fork(its_requests, its_answers)
        finally:
            os.close(its_requests)
            os.close(its_answers)
        try:
            async with asyncio.timeout(_START_SECONDS):
                self._tell((limits, self.desk.readable, self.desk.writable))
                ready = await self._answer()
        except (Died, TimeoutError) as error:
            raise NoProcesses from error
        missing: Mapping[str, str] = ready["missing"]
        return missing

    async def ask(self, function: Callable[..., object], *args: object) -> Mapping[str, Any]:
        """Call a module-level function there; its answer. Raises `Died`, and `NoProcesses` if it had died before."""
        self._tell((function, args))
        self.files += 1  # counted here: who was taken over would like to stay
        answer = await self._answer()
        self.is_spent = self.files >= _FILES or answer.get("spent") is not False
        return answer

    async def end(self) -> int | None:
        """Kill it unless it has ended; its exit code, negative for a signal, None when nobody knows."""
        if self._transport is not None:
            self._transport.close()
        if self._requests is not None:
            os.close(self._requests)
            self._requests = None
        return None if self.process_id is None else await self._nursery.end(self.process_id)

    def _tell(self, request: object) -> None:
        if self._requests is None:
            raise NoProcesses
        try:
            os.write(self._requests, pickle.dumps(request))
        except OSError as error:  # it reads no more: it has ended since its last file
            raise NoProcesses from error

    async def _answer(self) -> Mapping[str, Any]:
        try:
            answer = json.loads(await self._answers.readuntil(b"\n"))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, RecursionError) as error:
            raise Died from error
        if not isinstance(answer, dict):
            raise Died
        return answer
