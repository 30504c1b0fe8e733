"""One child process and its log."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from local_stack.polling import wait_until


def last_lines(log: Path, count: int = 20) -> str:
    """The end of a log, to be shown to a person."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


class Process:
    """A running child. It belongs to no event loop, so that a test may stop what a session fixture has started."""

    def __init__(self, name: str, child: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._child = child

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._child.poll()

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        await wait_until(lambda: self.exit_code is not None)
        return self._child.returncode

    async def terminate(self, *, stop_seconds: float) -> None:
        """Ask it to end and wait; kill it when it takes too long. Nothing happens when it has ended already."""
        self._signal(signal.SIGTERM)
        await wait_until(lambda: self.exit_code is not None, seconds=stop_seconds)
        await self.kill()

    async def kill(self) -> None:
        """Kill it (-9) and, once it is gone, what it had started itself."""
        self._signal(signal.SIGKILL)
        await self.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def last_lines(self) -> str:
        """The end of its log, to be shown to a person."""
        return last_lines(self.log)

    def _signal(self, signal_number: signal.Signals) -> None:
        if self.exit_code is None:
            self._child.send_signal(signal_number)
