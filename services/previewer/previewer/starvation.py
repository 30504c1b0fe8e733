"""Whether a process that ran out of time was given any: on a busy machine good files must not be called bad."""

import os
import time
from pathlib import Path

from previewer.render.job import Limits

_LATE_SECONDS = 2.0  # the service itself was stopped, or did not get to it
_SHARE = 0.25  # of its time a decoder that has a processor uses more, even beside others
_TICKS = os.sysconf("SC_CLK_TCK")
_READY, _ON_DISK = "R", "D"  # in /proc: it could go on, or the disk keeps it waiting


class Stopwatch:
    """Made when a process is given a file."""

    def __init__(self, process_id: int | None, limits: Limits) -> None:
        self._process = None if process_id is None else Path(f"/proc/{process_id}")
        self._limits = limits
        self._started = time.monotonic()
        self._used_ticks = self._ticks()

    @property
    def kept_waiting(self) -> bool:
        """When its time is over: it wanted to go on, and something else than its file held it up.

        One that sleeps or uses its time hangs through its file. So does any where the system does not tell.
        """
        elapsed = time.monotonic() - self._started
        if elapsed > self._limits.seconds + _LATE_SECONDS:
            return True
        used = self._ticks()
        if used is None or self._used_ticks is None:
            return False
        return (used - self._used_ticks) / _TICKS < _SHARE * elapsed and self._wants_to_go_on()

    def _ticks(self) -> int | None:
        said = self._stat(self._process)
        return int(said[11]) + int(said[12]) if said else None

    def _wants_to_go_on(self) -> bool:
        threads = () if self._process is None else (self._process / "task").glob("*")
        try:
            return any(said[0] in {_READY, _ON_DISK} for thread in threads if (said := self._stat(thread)))
        except OSError:
            return False

    @staticmethod
    def _stat(process: Path | None) -> list[str] | None:
        """From its state on; None when it is gone, or on another system."""
        if process is None:
            return None
        try:
            return (process / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:
            return None
