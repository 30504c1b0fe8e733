"""What a decoder that a file has taken over cannot do: every promise of the worker's confinement."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from previewer.confined import tell_confinement
from previewer.render.job import MIB, Limits
from previewer.render.kernel import architecture
from previewer.render.seccomp import bpf
from previewer.sandbox import Sandbox
from tests.unit.previewer import hostile_tasks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines a process like this")

# numbers of x86-64; what they are called
FORBIDDEN = {
    41: "socket", 42: "connect", 43: "accept", 44: "sendto", 46: "sendmsg", 49: "bind", 50: "listen", 53: "socketpair",
    57: "fork", 56: "clone", 58: "vfork", 59: "execve", 322: "execveat", 101: "ptrace", 310: "process_vm_readv",
    311: "process_vm_writev", 129: "rt_sigqueueinfo", 200: "tkill", 424: "pidfd_send_signal", 434: "pidfd_open",
    438: "pidfd_getfd", 165: "mount", 166: "umount2", 155: "pivot_root", 161: "chroot", 272: "unshare", 308: "setns",
    321: "bpf", 298: "perf_event_open", 248: "add_key", 250: "keyctl", 425: "io_uring_setup", 426: "io_uring_enter",
    323: "userfaultfd", 135: "personality", 175: "init_module", 246: "kexec_load", 319: "memfd_create", 157: "prctl",
    90: "chmod", 92: "chown", 105: "setuid", 86: "link", 88: "symlink", 133: "mknod", 304: "open_by_handle_at",
    29: "shmget", 240: "mq_open", 16: "ioctl", 76: "truncate", 82: "rename", 264: "renameat", 316: "renameat2",
    280: "utimensat", 285: "fallocate", 132: "utime", 235: "utimes", 83: "mkdir",
}  # fmt: skip

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # not used: it must be out of reach


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (folder := tmp_path / "desk").mkdir()
    return folder


@pytest.fixture
async def sandbox(desk: Path) -> AsyncIterator[Sandbox]:
    """One process, whose folders are `desk/in` and `desk/out`."""
    sandbox = Sandbox(workers=1, limits=Limits(memory_bytes=256 * MIB), place=lambda: nullcontext(desk))
    await sandbox.start()
    assert sandbox.missing == {}
    yield sandbox
    await sandbox.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "mongodb_password"
    path.write_text("hunter2", encoding="ascii")
    return path


def content(path: Path) -> bytes:
    return path.read_bytes()


def open_files(process_id: int) -> dict[int, str]:
    return {int(path.name): str(path.readlink()) for path in Path(f"/proc/{process_id}/fd").iterdir()}


async def test_there_is_no_network(sandbox: Sandbox) -> None:
    assert await sandbox.run(hostile_tasks.network) == ["EPERM"] * 5


async def test_no_program_and_no_process_can_be_started(sandbox: Sandbox) -> None:
    assert await sandbox.run(hostile_tasks.programs) == ["EPERM"] * 3


async def test_a_thread_can_be_started_as_some_decoders_need_one(sandbox: Sandbox) -> None:
    assert await sandbox.run(hostile_tasks.thread) == "EPERM"  # and is confined like all else


async def test_nobody_can_be_signalled(sandbox: Sandbox) -> None:
    nursery = await sandbox.run(os.getppid)

    assert await sandbox.run(hostile_tasks.signals, os.getpid(), nursery, -1, 0) == ["EPERM"] * 4


@pytest.mark.skipif(architecture() != "x86_64", reason="the numbers are those of x86-64")
async def test_what_decoding_does_not_need_is_refused(sandbox: Sandbox) -> None:
    refused = await sandbox.run(hostile_tasks.system_calls, list(FORBIDDEN))

    assert dict(zip(FORBIDDEN.values(), refused, strict=True)) == dict.fromkeys(FORBIDDEN.values(), "EPERM")
    # clone3, what is newer than this list, and the second set of numbers of x86-64
    assert await sandbox.run(hostile_tasks.system_calls, [435, 460, 0x40000000 + 41]) == ["ENOSYS"] * 3


async def test_no_signal_can_be_sent_through_a_pipe(sandbox: Sandbox) -> None:
    assert await sandbox.run(hostile_tasks.signals_by_pipe, os.getpid()) == ["EPERM"] * 3


async def test_an_original_cannot_be_emptied_even_where_landlock_is_old(sandbox: Sandbox, desk: Path) -> None:
    original = desk / "in" / "file"
    original.write_bytes(b"original")

    assert await sandbox.run(hostile_tasks.empty, original) == ["EPERM"] * 3  # EACCES would be Landlock's
    assert content(original) == b"original"


async def test_the_kernel_ends_a_worker_before_the_service(sandbox: Sandbox) -> None:
    worker = await sandbox.run(os.getpid)

    assert content(Path(f"/proc/{worker}/oom_score_adj")).strip() == b"1000"


async def test_no_other_file_can_be_read(sandbox: Sandbox, secret: Path, desk: Path) -> None:
    outside = [
        secret,
        desk.parent,
        Path("/etc/passwd"),
        Path("/proc/self/environ"),
        Path(f"/proc/{os.getpid()}/environ"),
        Path(f"/proc/{os.getpid()}/fd"),
        Path.cwd(),
        SHARED_MEMORY,
    ]
    (desk / "in" / "file").write_bytes(b"original")

    assert await sandbox.run(hostile_tasks.read, *outside) == ["EACCES"] * len(outside)
    assert await sandbox.run(hostile_tasks.read, desk / "in" / "file", desk / "out") == ["", ""]


async def test_no_other_file_can_be_written(sandbox: Sandbox, secret: Path, desk: Path) -> None:
    (desk / "in" / "file").write_bytes(b"original")
    outside = [secret, desk / "in" / "file", desk / "in" / "new", desk / "new", SHARED_MEMORY / "new"]

    assert await sandbox.run(hostile_tasks.write, *outside) == ["EACCES"] * len(outside)
    assert await sandbox.run(hostile_tasks.write, desk / "out" / "new") == [""]
    assert content(secret) == b"hunter2"


async def test_nothing_that_is_made_can_lead_elsewhere(sandbox: Sandbox, secret: Path, desk: Path) -> None:
    refused = await sandbox.run(hostile_tasks.link, secret, desk / "out")

    assert all(refused), refused
    assert list((desk / "out").iterdir()) == []


async def test_limits_cannot_be_taken_back(sandbox: Sandbox) -> None:
    assert await sandbox.run(hostile_tasks.raise_limits) == ["EPERM"] * 4


async def test_too_many_files_cannot_be_held_open(sandbox: Sandbox, desk: Path) -> None:
    (desk / "in" / "file").write_bytes(b"original")

    assert await sandbox.run(hostile_tasks.open_files, desk / "in" / "file") == "EMFILE"


async def test_what_a_decoder_prints_is_nobodys_log(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    await sandbox.run(hostile_tasks.flood)

    assert capfd.readouterr() == ("", "")


async def test_the_environment_is_empty_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://user:secret@127.0.0.1")
    sandbox = Sandbox(workers=1)
    await sandbox.start()
    worker, nursery = await sandbox.run(os.getpid), await sandbox.run(os.getppid)

    assert await sandbox.run(hostile_tasks.environment) == {}
    for process_id in (worker, nursery):
        # what the kernel keeps of the start of the program; Python itself adds LC_CTYPE
        assert b"MONGODB" not in content(Path(f"/proc/{process_id}/environ"))
    assert os.environ["MONGODB_URI"] == "mongodb://user:secret@127.0.0.1"
    await sandbox.close()


async def test_no_socket_and_no_pipe_of_the_service_comes_along() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        os.set_inheritable(client.fileno(), True)
        read, write = os.pipe()
        os.set_inheritable(read, True)
        sandbox = Sandbox(workers=2)
        await sandbox.start()
        worker = await sandbox.run(os.getpid)

        held = open_files(worker)

        assert [held.pop(standard) for standard in range(3)] == ["/dev/null"] * 3
        kinds = sorted(name.partition(":")[0] for name in held.values())
        assert kinds == [f"/proc/{worker}/statm", "pipe", "pipe"]  # what it is told, and what it answers
        assert f"pipe:[{os.fstat(read).st_ino}]" not in held.values()
        await sandbox.close()
        os.close(read)
        os.close(write)


def test_the_filter_is_made_for_both_processors() -> None:
    for name in ("x86_64", "aarch64"):
        program = bpf(name, 4711)
        instructions = [program[at : at + 8] for at in range(0, len(program), 8)]

        assert len(instructions) < 255  # a jump is one byte
        for place, (operation, _, yes, no) in enumerate((each[0], each[1], each[2], each[3]) for each in instructions):
            if operation in (0x15, 0x25):
                assert place + 1 + max(yes, no) < len(instructions)


def test_what_is_not_confined_is_told_once_with_what_to_do() -> None:
    with capture_logs() as logs:
        tell_confinement({"landlock": "Function not implemented"})
        tell_confinement({})

    warning, info = logs
    assert (warning["event"], warning["log_level"]) == ("sandbox.not_confined", "warning")
    assert warning["missing"] == {"landlock": "Function not implemented"}
    assert warning["aHostileFileCould"] == "read and change other files"
    assert "Linux 5.13" in warning["next"]
    assert (info["event"], info["active"]) == ("sandbox.confined", ["no_new_privs", "landlock", "seccomp"])
