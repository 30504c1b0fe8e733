import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from previewer.plan import PREVIEW, THUMB
from previewer.render.job import MIB, Limits
from previewer.sandbox import Sandbox, SandboxUnavailable
from shared.errors import PreviewCrashed, PreviewOutOfMemory, PreviewTimeout, PreviewUnreadable
from tests import images
from tests.unit.previewer import hostile_tasks

BOTH = (THUMB, PREVIEW)
LIMITS = Limits(memory_bytes=256 * MIB)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces this limit")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=2, limits=LIMITS)
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest.fixture
async def impatient() -> AsyncIterator[Sandbox]:
    """One second for each file."""
    sandbox = Sandbox(workers=2, limits=Limits(seconds=1))
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "original"
    path.write_bytes(images.jpeg(1600, 1200, orientation=6))
    return path


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, at most ten seconds."""

    def wait() -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.01)

    await asyncio.to_thread(wait)


def is_written(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def is_gone(process_id: int) -> bool:
    return not Path(f"/proc/{process_id}").exists()


async def test_a_photo_is_rendered_by_path(sandbox: Sandbox, photo: Path, tmp_path: Path) -> None:
    rendered = await sandbox.render(photo, tmp_path, BOTH, "image/jpeg")

    assert (rendered.facts.width, rendered.facts.height) == (1200, 1600)
    assert [(file.name, file.width, file.height) for file in rendered.files] == [
        ("thumb", 240, 320),
        ("preview", 960, 1280),
    ]
    assert all(file.path.stat().st_size == file.size_bytes for file in rendered.files)


async def test_many_files_at_once_wait_for_their_turn(sandbox: Sandbox, photo: Path, tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(10)]
    for folder in folders:
        folder.mkdir()

    await asyncio.gather(*(sandbox.render(photo, folder, BOTH, "image/jpeg") for folder in folders))

    assert all((folder / "thumb-1.webp").exists() for folder in folders)


async def test_every_file_gets_a_process_of_its_own(sandbox: Sandbox) -> None:
    processes = [await sandbox.run(os.getpid) for _ in range(6)]

    assert len(set(processes)) == 6
    assert os.getpid() not in processes


async def test_a_damaged_file_is_unreadable(sandbox: Sandbox, tmp_path: Path) -> None:
    source = tmp_path / "original"
    source.write_bytes(images.png_bomb())

    with pytest.raises(PreviewUnreadable, match="900 megapixels"):
        await sandbox.render(source, tmp_path, BOTH, "image/png")


async def test_a_worker_that_hangs_is_stopped_in_time(impatient: Sandbox) -> None:
    started = time.monotonic()

    with pytest.raises(PreviewTimeout, match="longer than 1 s"):
        await impatient.run(hostile_tasks.hang_in_c)

    assert time.monotonic() - started < 4
    assert await impatient.run(os.getpid)


async def test_hung_and_busy_workers_do_not_hold_up_others(impatient: Sandbox) -> None:
    burning = asyncio.create_task(impatient.run(hostile_tasks.burn))
    others = [asyncio.create_task(impatient.run(os.getpid)) for _ in range(5)]

    await asyncio.gather(*others)

    assert not burning.done()
    with pytest.raises(PreviewTimeout):
        await burning


async def test_a_worker_that_refuses_to_stop_is_killed(impatient: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(PreviewTimeout):
        await impatient.run(hostile_tasks.announce_and_ignore_signals, tmp_path / "pid")

    process_id = int((tmp_path / "pid").read_text(encoding="ascii"))
    await until(lambda: is_gone(process_id))


@linux_only
async def test_a_worker_that_takes_too_much_memory_is_refused_it(sandbox: Sandbox) -> None:
    with pytest.raises(PreviewOutOfMemory, match="256 MiB"):
        await sandbox.run(hostile_tasks.allocate, 300 * MIB)

    assert await sandbox.run(hostile_tasks.allocate, 100 * MIB) == 100 * MIB


@linux_only
async def test_a_picture_that_needs_too_much_memory_says_so(sandbox: Sandbox, tmp_path: Path) -> None:
    source = tmp_path / "original"
    source.write_bytes(images.png_bomb(10_000, 10_000))  # within the pixel limit, but 400 MB when decoded

    with pytest.raises(PreviewOutOfMemory):
        await sandbox.render(source, tmp_path, BOTH, "image/png")


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        (hostile_tasks.crash, "SIGSEGV"),
        (hostile_tasks.kill_self, "SIGKILL"),
        (hostile_tasks.leave, "exit code 3"),
    ],
    ids=["segmentation fault", "killed", "left"],
)
async def test_a_worker_that_dies_says_how_and_is_replaced(
    sandbox: Sandbox, task: hostile_tasks.Task, cause: str
) -> None:
    for _ in range(4):  # more often than there are workers
        with pytest.raises(PreviewCrashed, match=cause):
            await sandbox.run(task)

    assert await sandbox.run(os.getpid)


async def test_a_dying_worker_harms_nobody_else(sandbox: Sandbox, photo: Path, tmp_path: Path) -> None:
    hostile = [hostile_tasks.crash, hostile_tasks.kill_self, hostile_tasks.leave] * 3
    good = [asyncio.create_task(sandbox.render(photo, tmp_path, BOTH, "image/jpeg")) for _ in range(6)]

    bad = await asyncio.gather(*(sandbox.run(task) for task in hostile), return_exceptions=True)

    assert all(isinstance(error, PreviewCrashed) for error in bad)
    assert len(await asyncio.gather(*good)) == 6


@linux_only
async def test_an_idle_worker_that_is_killed_from_outside_costs_nobody_a_preview(
    sandbox: Sandbox, photo: Path, tmp_path: Path
) -> None:
    for process_id in children(await sandbox.run(os.getppid)):
        with contextlib.suppress(ProcessLookupError):  # the one that answered has left meanwhile
            os.kill(process_id, signal.SIGKILL)

    rendered = await asyncio.gather(*(sandbox.render(photo, tmp_path, BOTH, "image/jpeg") for _ in range(4)))

    assert len(rendered) == 4


async def test_a_defect_of_ours_is_not_called_a_bad_file(sandbox: Sandbox) -> None:
    with pytest.raises(AttributeError, match="a defect"):
        await sandbox.run(hostile_tasks.fail, "a defect")


async def test_a_worker_cannot_write_more_than_one_rendition_may_have(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large"):
        await sandbox.run(hostile_tasks.fill_disk, tmp_path / "big", LIMITS.output_bytes + 1)


async def test_a_worker_has_an_empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://user:secret@127.0.0.1")
    sandbox = Sandbox(workers=1)
    await sandbox.start()

    seen, from_the_start = await sandbox.run(hostile_tasks.environment)

    names = {variable.partition(b"=")[0].decode() for variable in from_the_start.split(b"\0")}
    assert seen == {}
    assert "PATH" in os.environ
    assert not names & os.environ.keys()
    assert os.environ["MONGODB_URI"] == "mongodb://user:secret@127.0.0.1"
    await sandbox.close()


async def test_a_worker_holds_none_of_the_services_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        sandbox = Sandbox(workers=1)
        await sandbox.start()

        assert await sandbox.run(hostile_tasks.sockets) == 0

        await sandbox.close()


async def test_a_worker_has_its_limits(sandbox: Sandbox) -> None:
    limits = await sandbox.run(hostile_tasks.limits)

    assert limits["RLIMIT_CORE"] == 0
    assert limits["RLIMIT_NPROC"] == 0
    assert limits["RLIMIT_NOFILE"] <= 64
    assert limits["RLIMIT_CPU"] == LIMITS.seconds + 1
    assert limits["RLIMIT_FSIZE"] == LIMITS.output_bytes
    if sys.platform == "linux":
        assert LIMITS.memory_bytes < limits["RLIMIT_AS"] < LIMITS.memory_bytes + 512 * MIB


@linux_only
async def test_closing_ends_quickly_what_runs_and_what_waits(tmp_path: Path) -> None:
    sandbox = Sandbox(workers=1, limits=Limits(seconds=60))
    await sandbox.start()
    running = asyncio.create_task(sandbox.run(hostile_tasks.announce_and_hang, tmp_path / "pid"))
    waiting = asyncio.create_task(sandbox.run(os.getpid))
    await until(lambda: is_written(tmp_path / "pid"))
    started = time.monotonic()

    await sandbox.close()

    assert time.monotonic() - started < 3
    for task in (running, waiting):
        with pytest.raises(SandboxUnavailable):
            await task
    process_id = int((tmp_path / "pid").read_text(encoding="ascii"))
    await until(lambda: is_gone(process_id))
    with pytest.raises(SandboxUnavailable):
        await sandbox.run(os.getpid)


@linux_only
async def test_a_caller_that_gives_up_takes_its_worker_along(sandbox: Sandbox, tmp_path: Path) -> None:
    task = asyncio.create_task(sandbox.run(hostile_tasks.announce_and_hang, tmp_path / "pid"))
    await until(lambda: is_written(tmp_path / "pid"))

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    process_id = int((tmp_path / "pid").read_text(encoding="ascii"))
    await until(lambda: is_gone(process_id))
    assert await asyncio.gather(*(sandbox.run(os.getpid) for _ in range(4)))


async def test_what_was_never_started_can_be_closed() -> None:
    await Sandbox(workers=2).close()


def children(process_id: int) -> list[int]:
    tasks = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(child) for child in tasks.read_text(encoding="ascii").split()]
