"""Stops what is left of a stack when the program that started it is gone, however it went.

Runs as a process of its own, from the standard library alone, so that it starts at once and stays small. Each child
announces itself on the guardian's standard input (`pid name`, see `guard.py`). End of input means that the program
has ended, by itself or by `kill -9`: whatever is still running is stopped then. The list is also kept in a file,
for the case that the guardian is killed too; the next start reads it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class Child:
    """A process that was started; `identity` tells it from a later one that got the same number."""

    pid: int
    name: str
    identity: str

    def is_running(self) -> bool:
        return identify(self.pid) == self.identity


def identify(pid: int) -> str | None:
    """What no other process on this machine shares with this one, or None when it has ended."""
    if _BOOT_ID.exists():  # Linux
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        state, started = fields[0], fields[19]
        if state in "ZX":
            return None
        return f"{_BOOT_ID.read_text().strip()}/{started}"
    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a number is no threat
    return listing.stdout.strip() or None


def read_children(ledger: Path) -> list[Child]:
    """The children that a ledger names; a last line that was cut off by a crash is passed over."""
    children = []
    with suppress(FileNotFoundError):
        for line in ledger.read_text().splitlines():
            with suppress(ValueError, TypeError):
                children.append(Child(**json.loads(line)))
    return children


def stop_all(children: Iterable[Child], *, stop_seconds: float = STOP_SECONDS) -> None:
    """Ask every child to end, wait, then kill what is left of it and of its process group."""
    running = [child for child in children if child.is_running()]
    for child in running:
        _signal_group(child, signal.SIGTERM)
    deadline = time.monotonic() + stop_seconds
    while time.monotonic() < deadline and any(child.is_running() for child in running):
        time.sleep(_POLL_SECONDS)
    for child in running:
        _signal_group(child, signal.SIGKILL)


def _signal_group(child: Child, signal_number: signal.Signals) -> None:
    # Every child leads its own process group, so this reaches the workers that it started, too.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal_number)


def main(ledger: Path) -> None:
    """Note down the children as they announce themselves; at the end of input stop them."""
    children: list[Child] = []
    with ledger.open("w") as notes:
        for line in sys.stdin:
            pid, _, name = line.strip().partition(" ")
            identity = identify(int(pid))
            if identity is None:
                continue
            children.append(Child(pid=int(pid), name=name, identity=identity))
            notes.write(json.dumps(asdict(children[-1])) + "\n")
            notes.flush()
    stop_all(children)
    ledger.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
