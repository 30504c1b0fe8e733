"""Ports for servers on this machine: the well-known one when it is free, else one that nobody uses."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel numbers outgoing connections (32768 and up on Linux): a port found here stays
# free until the server binds it, however many clients connect meanwhile.
_LOWEST, _HIGHEST = 20_000, 32_000
_ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class Ports:
    """Free ports, each kept from every other stack of this user until `release`.

    A server needs seconds from the choice of its port until it listens there; two stacks that start together would
    else choose the same well-known one.
    """

    def __init__(self) -> None:
        self._reserved = ExitStack()

    def choose(self, preferred: int | None = None) -> int:
        """The preferred port when it is free, else a random free one."""
        for port in _candidates(preferred):
            if self._reserve(port):
                return port
        raise OSError(f"no free port between {_LOWEST} and {_HIGHEST} on {LOOPBACK}")

    def release(self) -> None:
        """Give all of them up."""
        self._reserved.close()

    def _reserve(self, port: int) -> bool:
        folder = Path(tempfile.gettempdir()) / f"attache-ports-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        with ExitStack() as attempt:
            lock = attempt.enter_context((folder / str(port)).open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if not is_free(port):
                return False
            self._reserved.push(attempt.pop_all())
            return True


def _candidates(preferred: int | None) -> Iterator[int]:
    if preferred is not None:
        yield preferred
    chance = random.SystemRandom()  # seeded by the system: two stacks do not walk the same way
    for _ in range(_ATTEMPTS):
        yield chance.randint(_LOWEST, _HIGHEST)
