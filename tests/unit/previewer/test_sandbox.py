import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from previewer import sandbox as sandbox_module
from previewer.failures import KeptWaiting, RendererDefect
from previewer.render.job import MIB, Limits
from previewer.sandbox import Sandbox, SandboxUnavailable
from shared.errors import PreviewCrashed, PreviewOutOfMemory, PreviewTimeout, PreviewUnreadable, StorageUnavailable
from shared.storage.filesystem import FilesystemStore
from tests import images
from tests.jobs import job
from tests.unit.previewer import hostile_tasks
from tests.unit.previewer.processes import children, is_gone, is_written, is_zombie, place_in, until

LIMITS = Limits(memory_bytes=256 * MIB)

# one worker is hung, one idle, when it says which processes it has
SERVICE = """
import asyncio, json, os
from previewer.sandbox import Sandbox
from tests.unit.previewer import hostile_tasks

async def main():
    sandbox = Sandbox(workers=2)
    await sandbox.start()
    processes = [await sandbox.run(task) for task in (os.getppid, os.getpid, os.getpid)]
    hung = asyncio.create_task(sandbox.run(hostile_tasks.hang_in_c))
    print(json.dumps(processes), flush=True)
    await hung

asyncio.run(main())
"""

ON_THE_FIRST_PROCESSOR = "import os; os.sched_setaffinity(0, {0})\nwhile True: pass"

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


async def test_a_photo_is_rendered_by_path(sandbox: Sandbox, photo: Path, tmp_path: Path) -> None:
    rendered = await sandbox.render(job(photo, tmp_path, "image/jpeg"))

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

    await asyncio.gather(*(sandbox.render(job(photo, folder, "image/jpeg")) for folder in folders))

    assert all((folder / "thumb-1.webp").exists() for folder in folders)


async def test_a_process_serves_many_files(sandbox: Sandbox, photo: Path, tmp_path: Path) -> None:
    before = {await sandbox.run(os.getpid) for _ in range(2)}

    await sandbox.render(job(photo, tmp_path, "image/jpeg"))

    assert len(before) == 2
    assert os.getpid() not in before
    assert {await sandbox.run(os.getpid) for _ in range(6)} == before


async def test_a_process_is_replaced_after_a_hundred_files() -> None:
    sandbox = Sandbox(workers=1, limits=LIMITS)
    await sandbox.start()

    processes = [await sandbox.run(os.getpid) for _ in range(201)]

    assert [processes.count(process) for process in dict.fromkeys(processes)] == [100, 100, 1]
    await sandbox.close()


@linux_only
async def test_a_process_that_keeps_memory_is_replaced() -> None:
    sandbox = Sandbox(workers=1, limits=LIMITS)
    await sandbox.start()

    process = await sandbox.run(hostile_tasks.keep, 100 * MIB)

    assert await sandbox.run(os.getpid) != process
    await sandbox.close()


async def test_a_process_in_which_a_file_failed_sees_no_other(tmp_path: Path) -> None:
    sandbox = Sandbox(workers=1, limits=LIMITS)
    await sandbox.start()
    process = await sandbox.run(os.getpid)
    source = tmp_path / "original"
    source.write_bytes(images.png_bomb())

    with pytest.raises(PreviewUnreadable):
        await sandbox.render(job(source, tmp_path, "image/png"))

    assert await sandbox.run(os.getpid) != process
    await sandbox.close()


async def test_each_file_has_the_whole_time_of_the_processor() -> None:
    sandbox = Sandbox(workers=1, limits=LIMITS)
    await sandbox.start()

    before = await sandbox.run(hostile_tasks.limits)
    await sandbox.run(hostile_tasks.burn_for, 1.1)
    after = await sandbox.run(hostile_tasks.limits)

    assert after["RLIMIT_CPU"] > before["RLIMIT_CPU"]
    await sandbox.close()


@linux_only
async def test_each_file_has_the_whole_memory() -> None:
    sandbox = Sandbox(workers=1, limits=LIMITS)
    await sandbox.start()

    for _ in range(5):
        assert await sandbox.run(hostile_tasks.allocate, 200 * MIB) == 200 * MIB

    await sandbox.close()


async def test_a_damaged_file_is_unreadable(sandbox: Sandbox, tmp_path: Path) -> None:
    source = tmp_path / "original"
    source.write_bytes(images.png_bomb())

    with pytest.raises(PreviewUnreadable, match="900 megapixels"):
        await sandbox.render(job(source, tmp_path, "image/png"))


async def test_a_worker_that_hangs_is_stopped_in_time(impatient: Sandbox) -> None:
    started = time.monotonic()

    with pytest.raises(PreviewTimeout, match=r"longer than 1 s.*can be downloaded"):
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


async def test_a_worker_that_refuses_to_stop_is_killed() -> None:
    sandbox = Sandbox(workers=1, limits=Limits(seconds=1))
    await sandbox.start()
    process_id = await sandbox.run(os.getpid)

    with pytest.raises(PreviewTimeout):
        await sandbox.run(hostile_tasks.ignore_signals)

    await until(lambda: is_gone(process_id))
    await sandbox.close()


@linux_only
async def test_a_worker_that_gets_no_processor_is_told_from_one_that_hangs() -> None:
    sandbox = Sandbox(workers=1, limits=Limits(seconds=1))
    await sandbox.start()
    os.sched_setaffinity(await sandbox.run(os.getpid), {0})
    busy = (sys.executable, "-c", ON_THE_FIRST_PROCESSOR)
    others = [await asyncio.create_subprocess_exec(*busy) for _ in range(4)]
    try:
        with pytest.raises(KeptWaiting):
            await sandbox.run(hostile_tasks.burn)
    finally:
        for other in others:
            other.kill()
            await other.wait()

    with pytest.raises(PreviewTimeout) as caught:
        await sandbox.run(hostile_tasks.hang_in_c)
    assert type(caught.value) is PreviewTimeout
    await sandbox.close()


async def test_a_time_out_while_the_whole_service_stood_still_is_not_the_files(impatient: Sandbox) -> None:
    asking = asyncio.create_task(impatient.run(hostile_tasks.hang_in_c))
    await impatient.run(os.getpid)

    time.sleep(3.5)  # as if its container had been paused  # noqa: ASYNC251

    with pytest.raises(KeptWaiting):
        await asking


@linux_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_somebody_ends_says_nothing_about_its_file(sandbox: Sandbox, number: int) -> None:
    """`systemctl stop` and Ctrl-C signal every process of the service."""
    process_ids = children(await sandbox.run(os.getppid))
    asking = asyncio.create_task(sandbox.run(hostile_tasks.hang_in_c))
    await sandbox.run(os.getpid)

    for process_id in process_ids:
        os.kill(process_id, number)

    with pytest.raises(SandboxUnavailable):
        await asking


@linux_only
async def test_a_worker_that_takes_too_much_memory_is_refused_it(sandbox: Sandbox) -> None:
    with pytest.raises(PreviewOutOfMemory, match="256 MiB"):
        await sandbox.run(hostile_tasks.allocate, 300 * MIB)

    assert await sandbox.run(hostile_tasks.allocate, 100 * MIB) == 100 * MIB


@linux_only
async def test_a_picture_that_needs_too_much_memory_says_so(tmp_path: Path) -> None:
    sandbox = Sandbox(workers=1, limits=Limits(memory_bytes=256 * MIB, pixels=200_000_000))
    await sandbox.start()
    source = tmp_path / "original"
    source.write_bytes(images.png_bomb(10_000, 10_000))  # within the pixel limit, but 300 MB when decoded

    with pytest.raises(PreviewOutOfMemory):
        await sandbox.render(job(source, tmp_path, "image/png"))

    await sandbox.close()


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
        with pytest.raises(PreviewCrashed, match="can be downloaded") as caught:
            await sandbox.run(task)
        assert caught.value.detail == cause

    assert await sandbox.run(os.getpid)


async def test_a_dying_worker_harms_nobody_else(sandbox: Sandbox, photo: Path, tmp_path: Path) -> None:
    hostile = [hostile_tasks.crash, hostile_tasks.kill_self, hostile_tasks.leave] * 3
    good = [asyncio.create_task(sandbox.render(job(photo, tmp_path, "image/jpeg"))) for _ in range(6)]

    bad = await asyncio.gather(*(sandbox.run(task) for task in hostile), return_exceptions=True)

    assert all(isinstance(error, PreviewCrashed) for error in bad)
    assert len(await asyncio.gather(*good)) == 6


@linux_only
async def test_an_idle_worker_that_is_killed_from_outside_costs_nobody_a_preview(
    sandbox: Sandbox, photo: Path, tmp_path: Path
) -> None:
    idle = children(await sandbox.run(os.getppid))
    for process_id in idle:
        os.kill(process_id, signal.SIGKILL)
    await until(lambda: all(map(is_gone, idle)))

    rendered = await asyncio.gather(*(sandbox.render(job(photo, tmp_path, "image/jpeg")) for _ in range(4)))

    assert len(rendered) == 4


async def test_a_defect_of_ours_is_not_called_a_bad_file(sandbox: Sandbox) -> None:
    with pytest.raises(RendererDefect, match="AttributeError") as caught:
        await sandbox.run(hostile_tasks.fail, "a defect")

    assert "hostile_tasks.py" in caught.value.__notes__[0]


@linux_only
async def test_the_process_that_starts_workers_is_replaced_too(sandbox: Sandbox) -> None:
    nursery = await sandbox.run(os.getppid)
    os.kill(nursery, signal.SIGKILL)
    await until(lambda: is_gone(nursery) or is_zombie(nursery))

    assert await asyncio.gather(*(sandbox.run(os.getppid) for _ in range(4))) != [nursery] * 4


async def test_a_worker_that_talks_without_end_is_ended(sandbox: Sandbox) -> None:
    with pytest.raises(PreviewCrashed):
        await sandbox.run(hostile_tasks.talk, 10 * MIB)

    assert await sandbox.run(os.getpid)


async def test_a_worker_cannot_write_more_than_one_rendition_may_have(tmp_path: Path) -> None:
    sandbox = Sandbox(workers=1, place=place_in(tmp_path))
    await sandbox.start()
    big = tmp_path / "0" / "out" / "big"

    with pytest.raises(PreviewUnreadable, match="too large"):
        await sandbox.run(hostile_tasks.fill_disk, big, LIMITS.output_bytes + 1)

    await sandbox.close()


async def test_a_worker_has_its_limits(sandbox: Sandbox) -> None:
    limits = await sandbox.run(hostile_tasks.limits)

    assert limits["RLIMIT_CORE"] == 0
    assert limits["RLIMIT_NOFILE"] <= 64
    assert LIMITS.seconds < limits["RLIMIT_CPU"] < LIMITS.seconds + 5
    assert limits["RLIMIT_FSIZE"] == LIMITS.output_bytes
    if sys.platform == "linux":
        assert LIMITS.memory_bytes < limits["RLIMIT_AS"] < LIMITS.memory_bytes + 512 * MIB


@linux_only
async def test_closing_ends_quickly_what_runs_and_what_waits(tmp_path: Path) -> None:
    sandbox = Sandbox(workers=1, limits=Limits(seconds=60), place=place_in(tmp_path))
    await sandbox.start()
    pid = tmp_path / "0" / "out" / "pid"
    running = asyncio.create_task(sandbox.run(hostile_tasks.announce_and_hang, pid))
    waiting = asyncio.create_task(sandbox.run(os.getpid))
    await until(lambda: is_written(pid))
    process_id = int(pid.read_text(encoding="ascii"))
    started = time.monotonic()

    await sandbox.close()

    assert time.monotonic() - started < 3
    for task in (running, waiting):
        with pytest.raises(SandboxUnavailable):
            await task
    await until(lambda: is_gone(process_id))
    with pytest.raises(SandboxUnavailable):
        await sandbox.run(os.getpid)


@linux_only
async def test_a_caller_that_gives_up_takes_its_worker_along(tmp_path: Path) -> None:
    sandbox = Sandbox(workers=1, place=place_in(tmp_path))
    await sandbox.start()
    pid = tmp_path / "0" / "out" / "pid"
    task = asyncio.create_task(sandbox.run(hostile_tasks.announce_and_hang, pid))
    await until(lambda: is_written(pid))
    process_id = int(pid.read_text(encoding="ascii"))

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: is_gone(process_id))
    assert await asyncio.gather(*(sandbox.run(os.getpid) for _ in range(4)))
    await sandbox.close()


async def test_a_worker_whose_folders_were_removed_costs_nobody_a_preview(photo: Path, tmp_path: Path) -> None:
    (desks := tmp_path / "desks").mkdir()
    sandbox = Sandbox(workers=1, place=place_in(desks))
    await sandbox.start()
    shutil.rmtree(desks / "0")

    assert (await sandbox.render(job(photo, tmp_path, "image/jpeg"))).files

    await sandbox.close()


async def test_without_a_place_for_its_files_a_worker_is_started_later(photo: Path, tmp_path: Path) -> None:
    desks = tmp_path / "desks"
    sandbox = Sandbox(workers=1, place=FilesystemStore(desks).workspace)
    desks.write_text("a file stands where the folder should be", encoding="ascii")
    await sandbox.start()

    with pytest.raises(StorageUnavailable):
        await sandbox.render(job(photo, tmp_path, "image/jpeg"))

    desks.unlink()
    assert (await sandbox.render(job(photo, tmp_path, "image/jpeg"))).files
    await sandbox.close()


async def test_the_folders_of_a_quiet_previewer_are_not_taken_for_leftovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_module, "_TOUCH_SECONDS", 0.05)
    store = FilesystemStore(tmp_path)
    sandbox = Sandbox(workers=2, place=store.workspace)
    await sandbox.start()
    folders = [*(tmp_path / ".incomplete").iterdir()]
    assert len(folders) == 2

    for folder in folders:
        os.utime(folder, (0, 0))

    await until(lambda: all(folder.stat().st_mtime > 0 for folder in folders))
    assert await store.abandoned(older_than_seconds=3600) == 0
    await sandbox.close()


async def test_nothing_is_left_behind(photo: Path, tmp_path: Path) -> None:
    (store := tmp_path / "store").mkdir()
    sandbox = Sandbox(workers=2, place=FilesystemStore(store).workspace)
    await sandbox.start()
    await sandbox.render(job(photo, tmp_path, "image/jpeg"))

    await sandbox.close()

    assert [path for path in store.rglob("*") if path.name != ".incomplete"] == []


@linux_only
async def test_a_service_that_is_killed_leaves_no_process_behind() -> None:
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert service.stdout is not None
    processes = json.loads(await service.stdout.readline())

    service.kill()

    await service.wait()
    await until(lambda: all(map(is_gone, processes)))


async def test_the_service_itself_loads_no_decoder() -> None:
    code = "import sys, previewer.app; print({'PIL', 'av', 'pypdfium2', 'pillow_heif', 'numpy'} & sys.modules.keys())"
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": os.pathsep.join(sys.path)}
    )

    assert (await service.communicate())[0] == b"set()\n"


async def test_what_was_never_started_can_be_closed() -> None:
    await Sandbox(workers=2).close()
