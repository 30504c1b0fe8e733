"""A worker that a file has taken over, and one whose parent is in trouble: what the sandbox makes of it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from previewer import forking
from previewer.render import answers
from previewer.render.job import MIB, Limits
from previewer.render.nursery import FORK, NOBODY, REPORT, REQUEST, STARTED
from previewer.sandbox import Sandbox
from shared.errors import PreviewCrashed, PreviewTimeout
from shared.storage.filesystem import FilesystemStore
from tests.unit.previewer import hostile_tasks
from tests.unit.previewer.processes import children, is_gone, is_written, is_zombie, place_in, until

LIMITS = Limits(memory_bytes=256 * MIB)

# a machine on which no process can be started any more
FULL = """
import os, socket, sys
from previewer.render import nursery

def fork():
    raise BlockingIOError

os.fork = fork
nursery.Nursery(socket.socket(fileno=int(sys.argv[1])), print).run()
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines a process like this")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=1, limits=LIMITS)
    await sandbox.start()
    yield sandbox
    await sandbox.close()


async def test_it_is_replaced_after_a_hundred_files_too(sandbox: Sandbox) -> None:
    immortal = await sandbox.run(hostile_tasks.be_immortal)

    assert [await sandbox.run(os.getpid) for _ in range(100)].count(immortal) == 99


async def test_what_it_leaves_running_is_ended_without_another_file() -> None:
    sandbox = Sandbox(workers=1, limits=Limits(seconds=0.2, memory_bytes=256 * MIB))  # of processor: 6 s in all
    await sandbox.start()

    process = await sandbox.run(hostile_tasks.linger)

    await until(lambda: is_gone(process))
    assert await sandbox.run(os.getpid) != process
    await sandbox.close()


async def test_a_file_that_crashes_a_used_process_is_tried_once_in_another(sandbox: Sandbox) -> None:
    process = await sandbox.run(os.getpid)

    assert await sandbox.run(hostile_tasks.crash_in, process) != process


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("[", 200_000),
        ("1", 10_000),
        ("[]", 1),
        ('{"made', 1),
        ('{"failed":{}}', 1),
        ('{"failed":"system","errno":1e400,"message":"m"}', 1),
    ],
    ids=["nested", "huge", "list", "half", "empty", "infinite"],
)
async def test_an_answer_that_is_none_ends_it(sandbox: Sandbox, text: str, times: int) -> None:
    with pytest.raises(PreviewCrashed):
        await sandbox.run(hostile_tasks.answer, text, times)

    assert await sandbox.run(os.getpid)


async def test_it_cannot_change_what_was_looked_at(tmp_path: Path) -> None:
    sandbox = Sandbox(workers=1, limits=LIMITS, place=place_in(tmp_path))
    await sandbox.start()
    made = tmp_path / "0" / "out" / "made"
    (kept := tmp_path / "kept").mkdir()
    await sandbox.run(hostile_tasks.write_and_hold, made)
    answers.copy(made, kept / "made", most_bytes=100)

    await sandbox.run(hostile_tasks.change_what_was_written)

    assert (kept / "made").read_bytes() == b"made"
    await sandbox.close()


async def test_workers_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    sandbox = Sandbox(workers=1, limits=LIMITS, place=place_in(tmp_path))
    await sandbox.start()
    nursery, pid = await sandbox.run(os.getppid), tmp_path / "0" / "out" / "pid"
    hung = asyncio.create_task(sandbox.run(hostile_tasks.announce_and_hang, pid))
    await until(lambda: is_written(pid))
    worker = int(pid.read_text(encoding="ascii"))

    os.kill(nursery, signal.SIGKILL)

    await until(lambda: is_gone(worker) or is_zombie(worker))
    hung.cancel()
    await asyncio.gather(hung, return_exceptions=True)
    assert await sandbox.run(os.getppid) != nursery
    await sandbox.close()


async def test_a_worker_whose_end_nobody_confirms_dies_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_STOP_SECONDS", 0.2)
    sandbox = Sandbox(workers=1, limits=Limits(seconds=1))
    await sandbox.start()
    nursery, worker = await sandbox.run(os.getppid), await sandbox.run(os.getpid)
    os.kill(nursery, signal.SIGSTOP)

    with pytest.raises(PreviewTimeout):
        await sandbox.run(hostile_tasks.ignore_signals)

    await until(lambda: is_gone(worker) or is_zombie(worker))
    assert await sandbox.run(os.getpid) != worker
    await sandbox.close()


async def test_a_machine_without_room_for_a_process_keeps_those_that_it_has() -> None:
    ours, its = socket.socketpair()
    with ours, its:
        nursery = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FULL, str(its.fileno())),
            pass_fds=[its.fileno()],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        its.close()
        ours.settimeout(10)
        for _ in range(2):
            socket.send_fds(ours, [REQUEST.pack(FORK)], [0, 0])
            assert REPORT.unpack(await asyncio.to_thread(ours.recv, REPORT.size)) == (NOBODY, STARTED)
    assert await nursery.wait() == 0


@pytest.mark.parametrize("passes", [0, 1, 3, 10, 30, 100, 300])
async def test_closing_while_it_starts_leaves_nothing_behind(tmp_path: Path, passes: int) -> None:
    (store := tmp_path / "store").mkdir()
    before = children(os.getpid())
    sandbox = Sandbox(workers=2, place=FilesystemStore(store).workspace)
    starting = asyncio.create_task(sandbox.start())
    for _ in range(passes):  # of the event loop, so that it is interrupted at one place after the other
        await asyncio.sleep(0)

    await sandbox.close()

    await asyncio.gather(starting, return_exceptions=True)
    assert children(os.getpid()) == before
    assert [path for path in store.rglob("*") if path.name != ".incomplete"] == []
