"""The near side of the guardian: starts processes so that none can outlive this program."""

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from local_stack import guardian
from local_stack.errors import AlreadyRunning
from local_stack.polling import wait_until
from local_stack.ports import Ports
from local_stack.process import Process

# A child names itself on its standard input, which is the guardian's pipe, and only then lets go of the pipe and
# becomes the program. So the guardian cannot see the end of input before it knows every child.
_ANNOUNCE = 'printf "%s %s\\n" "$$" "$0" >&0 && exec "$@" </dev/null'


class Guard:
    """Starts processes, on ports that it has chosen, that are stopped when the guard is left or this program dies."""

    def __init__(self, pipe: int) -> None:
        self.ports = Ports()
        self._pipe = pipe
        self._processes: list[Process] = []

    def spawn(
        self, name: str, argv: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path
    ) -> Process:
        """Start a program with exactly this environment; its output is appended to the log file."""
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603 - the commands are our own, never input
                ["/bin/sh", "-c", _ANNOUNCE, name, *argv],
                stdin=self._pipe,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,  # Ctrl-C is for the runner, which then stops the children in order
            )
        process = Process(name, child, log)
        self._processes.append(process)
        return process

    def all_ended(self) -> bool:
        """Whether no process that was started here runs any more."""
        return all(process.exit_code is not None for process in self._processes)


@asynccontextmanager
async def open_guard(directory: Path, name: str) -> AsyncIterator[Guard]:
    """A guard over one folder. Stops what an earlier, killed program left there; one program may hold it at a time.

    Raises AlreadyRunning when a living program holds it.
    """
    ledger = directory / f"{name}.processes"
    with _open_lock(directory / f"{name}.lock") as lock:
        await _take(lock, directory)
        await asyncio.to_thread(guardian.stop_all, guardian.read_children(ledger))
        read_end, write_end = os.pipe()
        process = _start_guardian(ledger, read_end, lock)
        guard = Guard(write_end)
        try:
            yield guard
        finally:
            os.close(write_end)
            await wait_until(lambda: process.poll() is not None and guard.all_ended())
            guard.ports.release()


def _start_guardian(ledger: Path, read_end: int, lock: IO[str]) -> subprocess.Popen[bytes]:
    # The guardian inherits the lock: after our death nobody takes over the folder before it has stopped everything.
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-I", "-S", guardian.__file__, str(ledger)],
        stdin=read_end,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[lock.fileno()],
        start_new_session=True,
    )
    os.close(read_end)
    return process


def _open_lock(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+")


async def _take(lock: IO[str], directory: Path) -> None:
    # A dead owner's guardian may still be stopping things; it lets go soon. A living owner does not.
    await wait_until(lambda: _try_lock(lock) or _owner_lives(lock), seconds=guardian.STOP_SECONDS + 5)
    if not _try_lock(lock):
        raise AlreadyRunning(f"{directory} is in use by process {_owner(lock)}; stop it first")
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner_lives(lock: IO[str]) -> bool:
    owner = _owner(lock)
    return owner.isdigit() and guardian.identify(int(owner)) is not None


def _owner(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read()
