"""What one file may cost in a process that has served others before: counted from where the process stands."""

import math
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from previewer.render.job import Limits

_GRACE_SECONDS = 5  # the service is quicker, unless it is there no more
_HARDEST_FILES = 5  # that one process may serve; else what a file left running could run for ever


class Budget:
    """Made before the first file, while `/proc` can still be opened."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.statm = os.open("/proc/self/statm", os.O_RDONLY) if sys.platform == "linux" else None
        self._at_first = self._address_space_bytes()
        self._most_seconds = math.ceil(_HARDEST_FILES * (limits.seconds + 1))

    @contextmanager
    def of_one_file(self) -> Iterator[None]:
        """The kernel ends the process for using too much time, and refuses it too much memory."""
        _soft(resource.RLIMIT_CPU, self._seconds_with_this_file())
        if self.statm is not None:  # elsewhere the limit is not enforced
            _soft(resource.RLIMIT_AS, self._address_space_bytes() + self._limits.memory_bytes)
        signal.setitimer(signal.ITIMER_REAL, self._limits.seconds + _GRACE_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    @property
    def is_spent(self) -> bool:
        """Whether a fresh process should go on: this one has used much time, or kept much of the memory it took."""
        kept = self._address_space_bytes() - self._at_first
        return kept > self._limits.memory_bytes // 4 or self._seconds_with_this_file() > self._most_seconds

    def seal(self) -> None:
        """What the process may never exceed, even when a decoder could raise the limit of its own file."""
        limit(resource.RLIMIT_CPU, self._most_seconds)
        if self.statm is not None:
            limit(resource.RLIMIT_AS, self._at_first + self._limits.memory_bytes + self._limits.memory_bytes // 4)

    def _seconds_with_this_file(self) -> int:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return math.ceil(used.ru_utime + used.ru_stime + self._limits.seconds) + 1

    def _address_space_bytes(self) -> int:
        if self.statm is None:
            return 0
        pages = int(os.pread(self.statm, 64, 0).split()[0])
        return pages * resource.getpagesize()


def limit(what: int, value: int) -> None:
    """For good; a lower limit that is in force already stays."""
    value = _possible(what, value)
    resource.setrlimit(what, (value, value))


def _soft(what: int, value: int) -> None:
    resource.setrlimit(what, (_possible(what, value), resource.getrlimit(what)[1]))


def _possible(what: int, value: int) -> int:
    _, hard = resource.getrlimit(what)
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
