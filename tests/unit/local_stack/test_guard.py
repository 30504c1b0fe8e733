"""No child outlives the program that started it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_stack.environment import base_environment
from local_stack.errors import AlreadyRunning
from local_stack.guard import open_guard
from local_stack.guardian import Child, identify, read_children
from local_stack.polling import wait_until

# A child that has a child, and leaves its end to us.
_FAMILY = """
import subprocess, sys, time
worker = subprocess.Popen(["/bin/sleep", "300"])
print(worker.pid, flush=True)
time.sleep(300)
"""
# A child that does not care for SIGTERM.
_STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(300)
"""
_PARENT = """
import asyncio, sys
from pathlib import Path
from local_stack.environment import base_environment
from local_stack.guard import open_guard

async def main(folder, program):
    async with open_guard(folder, "test") as guard:
        child = guard.spawn("child", [sys.executable, "-c", program],
                            environment=base_environment(), directory=folder, log=folder / "child.log")
        while not child.log.read_text().endswith("\\n"):
            await asyncio.sleep(0.01)
        print(child.pid, child.log.read_text().strip(), flush=True)
        await asyncio.sleep(300)

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


async def test_what_was_started_ends_with_the_block_and_so_does_what_that_has_started(tmp_path: Path) -> None:
    async with open_guard(tmp_path, "test") as guard:
        child = guard.spawn(
            "child",
            [sys.executable, "-c", _FAMILY],
            environment=base_environment(),
            directory=tmp_path,
            log=tmp_path / "child.log",
        )
        assert await wait_until(lambda: child.log.read_text().endswith("\n"), seconds=10)
        worker = int(child.log.read_text())

    assert identify(child.pid) is None
    assert await wait_until(lambda: identify(worker) is None, seconds=5)


async def test_after_kill_9_of_the_program_nothing_is_left(tmp_path: Path) -> None:
    with _program(tmp_path, _FAMILY) as (parent, child, worker):
        parent.kill()
        parent.wait()

        assert await wait_until(lambda: identify(child) is None and identify(int(worker)) is None, seconds=10)
        assert await wait_until(lambda: not (tmp_path / "test.processes").exists(), seconds=10)


async def test_what_even_the_guardian_could_not_stop_is_stopped_by_the_next_start(tmp_path: Path) -> None:
    with _program(tmp_path, _FAMILY) as (parent, child, worker):
        assert await wait_until(lambda: bool(read_children(tmp_path / "test.processes")), seconds=10)
        guardian = _child_of(parent.pid, "guardian.py")
        os.kill(guardian, signal.SIGKILL)
        parent.kill()
        parent.wait()
        assert identify(child) is not None

        async with open_guard(tmp_path, "test"):
            assert identify(child) is None
            assert await wait_until(lambda: identify(int(worker)) is None, seconds=5)


async def test_a_folder_in_use_is_refused_with_the_number_of_its_user(tmp_path: Path) -> None:
    async with open_guard(tmp_path, "test"):
        with pytest.raises(AlreadyRunning, match=str(os.getpid())):
            async with open_guard(tmp_path, "test"):
                pass


async def test_a_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    async with open_guard(tmp_path, "test") as guard:
        child = guard.spawn(
            "child",
            [sys.executable, "-c", _STUBBORN],
            environment=base_environment(),
            directory=tmp_path,
            log=tmp_path / "child.log",
        )
        assert await wait_until(lambda: child.log.read_text() == "deaf\n", seconds=10)

        await child.terminate(stop_seconds=0.2)

        assert child.exit_code == -signal.SIGKILL


async def test_a_child_gets_the_given_environment_and_no_more(tmp_path: Path) -> None:
    async with open_guard(tmp_path, "test") as guard:
        child = guard.spawn(
            "child", ["/usr/bin/env"], environment={"ONLY": "this"}, directory=tmp_path, log=tmp_path / "child.log"
        )
        assert await child.wait() == 0

    names = {line.partition("=")[0] for line in child.log.read_text().splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"ONLY"}  # the others are the shell's own


def test_a_process_with_the_same_number_but_another_start_is_not_ours() -> None:
    assert not Child(pid=os.getpid(), name="x", identity="another boot/1").is_running()


def test_a_list_that_was_cut_off_by_a_crash_gives_what_is_whole(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    ledger.write_text(json.dumps({"pid": 1, "name": "a", "identity": "i"}) + '\n{"pid": 2, "na')

    assert [child.pid for child in read_children(ledger)] == [1]


@contextmanager
def _program(folder: Path, child_source: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A program of its own with one guarded child; gives the program, the child's number and its first line."""
    command = [sys.executable, "-c", _PARENT, str(folder), child_source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603 - ours
        try:
            assert parent.stdout is not None
            child, said = parent.stdout.readline().split()
            yield parent, int(child), said
        finally:
            parent.kill()


def _child_of(pid: int, command_ends_in: str) -> int:
    for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if command_ends_in in Path(f"/proc/{number}/cmdline").read_text():
            return int(number)
    raise AssertionError(f"{pid} has no child with {command_ends_in}")
