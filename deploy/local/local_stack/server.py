"""A program with a port: started until it answers, stopped, killed, started again at the same address."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_stack.errors import StartFailed
from local_stack.guard import Guard
from local_stack.process import Process

_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Program:
    """How to run a server and how to see that it serves."""

    name: str
    url: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    is_ready: Callable[[], Awaitable[bool]]  # answers False, rather than raise, as long as nobody listens
    start_seconds: float = 60.0
    stop_seconds: float = 20.0


class Server:
    """One program under a guard. Every verb may be called in any state and from any event loop."""

    def __init__(self, program: Program, guard: Guard) -> None:
        self.program = program
        self._guard = guard
        self._process: Process | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def url(self) -> str:
        """Where it serves; the same before and after a restart."""
        return self.program.url

    @property
    def log(self) -> Path:
        return self.program.log

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self._process.pid if self._process is not None and self._process.exit_code is None else None

    @property
    def exit_code(self) -> int | None:
        """How its last run ended; None while it runs and before the first start."""
        return None if self._process is None else self._process.exit_code

    async def start(self) -> None:
        """Return when it serves. Raises StartFailed, with its last log lines, when it ends or takes too long."""
        if self.pid is not None:
            return
        program = self.program
        process = self._process = self._guard.spawn(
            program.name,
            program.argv,
            environment=program.environment,
            directory=program.directory,
            log=program.log,
        )
        deadline = time.monotonic() + program.start_seconds
        while process.exit_code is None:
            # Looked at again after the answer: it may come from another program that was quicker to take the port.
            if await program.is_ready() and process.exit_code is None:
                return
            if time.monotonic() > deadline:
                await process.kill()
                raise StartFailed(
                    f"{self.name} was not ready after {program.start_seconds:.0f} s; its last lines:\n"
                    f"{process.last_lines()}"
                )
            await asyncio.sleep(_POLL_SECONDS)
        raise StartFailed(
            f"{self.name} ended at start with exit code {process.exit_code}; its last lines:\n{process.last_lines()}",
            exit_code=process.exit_code,
        )

    async def stop(self) -> None:
        """Ask it to end (SIGTERM) and wait; kill it when it takes longer than it is given."""
        if self._process is not None:
            await self._process.terminate(stop_seconds=self.program.stop_seconds)

    async def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        if self._process is not None:
            await self._process.kill()

    async def discard(self) -> None:
        """End it for good; nobody needs its data any more."""
        await self.kill()

    async def restart(self) -> None:
        """Stop it in good order and start it again at the same address, with the same data."""
        await self.stop()
        await self.start()


async def start_together(servers: Iterable[Server]) -> None:
    """Start all at once. Raises the first failure; the others' starts are given up then."""
    try:
        async with asyncio.TaskGroup() as starting:
            for server in servers:
                starting.create_task(server.start())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def stop_together(servers: Iterable[Server]) -> None:
    """Stop all at once, in good order."""
    await asyncio.gather(*(server.stop() for server in servers))
