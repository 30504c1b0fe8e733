"""What a hostile file could make a worker do, as functions that a worker can import."""

import ctypes
import errno
import fcntl
import json
import os
import resource
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from previewer.render import kernel

Task = Callable[[], None]


def hang_in_c() -> None:
    """Wait in a C call that no Python signal handler interrupts."""
    ctypes.CDLL(None).sleep(600)


def ignore_signals() -> None:
    """Refuse to be stopped politely."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def burn() -> None:
    """Use the processor for ever."""
    while True:
        pass


def burn_for(seconds: float) -> int:
    """Use so much of the processor; the process that did it."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return os.getpid()


_kept: list[bytearray] = []


def keep(size_bytes: int) -> int:
    """Take memory and never give it back; the process that did it."""
    _kept.append(bytearray(size_bytes))
    return os.getpid()


def talk(characters: int) -> str:
    """Answer far more than anybody asked for."""
    return "x" * characters


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


def limits() -> dict[str, int]:
    """The soft limits in force."""
    names = ("RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_AS")
    return {name: resource.getrlimit(getattr(resource, name))[0] for name in names}


def refused(function: Callable[[], object]) -> str:
    """The name of the error with which the kernel refuses this; empty when it does not."""
    try:
        function()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def network() -> list[str]:
    """Make sockets of every kind, and use the calls that a socket would be used with."""
    return [
        refused(lambda: socket.socket(socket.AF_INET)),
        refused(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)),
        refused(lambda: socket.socket(socket.AF_UNIX)),
        refused(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
        refused(socket.socketpair),
    ]


def programs() -> list[str]:
    """Start a program, and a process in two ways."""
    return [
        refused(lambda: os.execv("/bin/true", ["true"])),  # noqa: S606  # that it cannot is the point
        refused(lambda: os.posix_spawn("/bin/true", ["true"], {})),
        refused(os.fork),
    ]


def thread() -> str:
    """What a thread hears that wants a socket."""
    heard: list[str] = []
    other = threading.Thread(target=lambda: heard.append(refused(socket.socket)))
    other.start()
    other.join()
    return heard[0]


def signals(*process_ids: int) -> list[str]:
    """Ask whether they can be signalled; the kernel checks the same as for a signal that kills."""
    return [refused(partial(os.kill, process_id, 0)) for process_id in process_ids]


def read(*paths: Path) -> list[str]:
    """Read these files or list these folders."""
    return [refused(partial(_read, path)) for path in paths]


def _read(path: Path) -> object:
    return list(path.iterdir()) if path.is_dir() else path.read_bytes()


def write(*paths: Path) -> list[str]:
    """Write into these files."""
    return [refused(partial(path.write_bytes, b"x")) for path in paths]


def system_calls(numbers: Sequence[int]) -> list[str]:
    """Make them with nothing but zeros."""
    return [refused(partial(kernel.system_call, number, 0, 0, 0, 0, 0, 0)) for number in numbers]


def link(target: Path, folder: Path) -> list[str]:
    """Leave something in the folder that leads to `target`."""
    return [
        refused(lambda: (folder / "symbolic").symlink_to(target)),
        refused(lambda: (folder / "hard").hardlink_to(target)),
        refused(lambda: target.rename(folder / "moved")),
        refused(lambda: os.mkfifo(folder / "pipe")),
    ]


def signals_by_pipe(process_id: int) -> list[str]:
    """Have the kernel kill this process whenever one of the worker's own pipes can be read or written."""
    pipe, *_ = _pipes()
    commands = {fcntl.F_SETOWN: process_id, fcntl.F_SETSIG: signal.SIGKILL, fcntl.F_SETFL: os.O_ASYNC}
    return [refused(partial(fcntl.fcntl, pipe, command, value)) for command, value in commands.items()]


def empty(path: Path) -> list[str]:
    """Empty a file that it may at most read, and make it look old."""
    return [
        refused(lambda: os.truncate(path, 0)),
        refused(lambda: os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))),
        refused(lambda: os.utime(path, (0, 0))),
    ]


def be_immortal() -> None:
    """Answer this file and all that come with the id of the process, in its own words, and never end."""
    requests, answers = _pipes()
    while True:
        os.write(answers, json.dumps({"made": os.getpid(), "spent": False}).encode() + b"\n")
        os.read(requests, 65536)


def answer(text: str, times: int = 1) -> None:
    """Say this, so often, as if it were an answer."""
    os.write(_pipes()[1], (text * times).encode("ascii") + b"\n")
    hang_in_c()


def _pipes() -> list[int]:
    """Where requests come from, and where answers go."""
    return [
        each for each in range(64) if not refused(partial(os.fstat, each)) and stat.S_ISFIFO(os.fstat(each).st_mode)
    ]


def linger() -> int:
    """Answer, and go on using the processor; the process that does."""

    def burn_on() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (resource.getrlimit(resource.RLIMIT_CPU)[1],) * 2)
        burn()

    threading.Thread(target=burn_on, daemon=True).start()
    return os.getpid()


def crash_in(process_id: int) -> int:
    """Crash in this process only; the process that did not."""
    if os.getpid() == process_id:
        crash()
    return os.getpid()


_written: list[int] = []


def write_and_hold(path: Path) -> None:
    """Leave a rendition, and hold it open."""
    _written.append(os.open(path, os.O_CREAT | os.O_WRONLY))
    os.write(_written[0], b"made")


def change_what_was_written() -> None:
    """When it has been looked at."""
    os.pwrite(_written[0], b"evil", 0)


def open_files(path: Path) -> str:
    """Hold one file open as often as possible."""
    held: list[object] = []
    return refused(lambda: held.extend(path.open("rb") for _ in range(1000)))


def raise_limits() -> list[str]:
    """Take back the limits."""
    names = ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_AS", "RLIMIT_CORE")
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    return [_limit_is_refused(getattr(resource, name), unlimited) for name in names]


def _limit_is_refused(what: int, limits: tuple[int, int]) -> str:
    try:
        resource.setrlimit(what, limits)
    except (ValueError, OSError):  # Python's words for EPERM
        return "EPERM"
    return ""


def flood() -> None:
    """Print to wherever a decoder's messages go."""
    for _ in range(1000):
        os.write(1, b"x" * 1000)
        os.write(2, b"x" * 1000)


def environment() -> dict[str, str]:
    """As Python sees it."""
    return dict(os.environ)
