"""What a hostile file could make a worker do, as functions that a worker can import."""

import ctypes
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path

Task = Callable[[], None]


def hang_in_c() -> None:
    """Wait in a C call that no Python signal handler interrupts."""
    ctypes.CDLL(None).sleep(600)


def announce_and_ignore_signals(path: Path) -> None:
    """Write the process id, then refuse to be stopped politely."""
    path.write_text(str(os.getpid()), encoding="ascii")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def burn() -> None:
    """Use the processor for ever."""
    while True:
        pass


def allocate(size_bytes: int) -> int:
    """Take memory; Python's allocator says no with a MemoryError."""
    return len(bytearray(size_bytes))


def crash() -> None:
    """Read address 0, as a decoder with a defect does."""
    ctypes.string_at(0)


def kill_self() -> None:
    """End as the kernel's memory killer ends a process."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    """End without a word."""
    os._exit(3)


def fill_disk(path: Path, size_bytes: int) -> None:
    """Write a file of this size."""
    with path.open("wb") as file:
        file.truncate(size_bytes)


def announce_and_hang(path: Path) -> None:
    """Write the process id, then never return."""
    path.write_text(str(os.getpid()), encoding="ascii")
    hang_in_c()


def fail(message: str) -> None:
    """Raise as a defect of ours would."""
    raise AttributeError(message)


def environment() -> tuple[dict[str, str], bytes]:
    """The environment as Python sees it, and as the kernel keeps it from the start of the program."""
    path = Path("/proc/self/environ")
    return dict(os.environ), path.read_bytes() if path.exists() else b""


def sockets() -> int:
    """How many network connections this process holds: none of the service's may come along."""
    found = 0
    for descriptor in range(256):
        try:
            with socket.socket(fileno=os.dup(descriptor)) as inherited:
                found += inherited.family in (socket.AF_INET, socket.AF_INET6)
        except OSError:
            continue
    return found


def limits() -> dict[str, int]:
    """The soft limits in force."""
    names = ("RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_NPROC")
    return {name: resource.getrlimit(getattr(resource, name))[0] for name in names}
