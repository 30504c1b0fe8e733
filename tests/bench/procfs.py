"""What the kernel says of processes. Linux only; elsewhere there are no such figures."""

import os
from pathlib import Path

_PROC = Path("/proc")
_RESET_PEAK = "5"
_SESSION, _TIMES = 3, slice(11, 15)  # of the fields after the name in /proc/<pid>/stat; see proc(5)

AVAILABLE = (_PROC / "self" / "clear_refs").exists()


def resident_bytes(pid: int) -> int:
    """Resident now."""
    return _status_bytes(pid, "VmRSS")


def peak_resident_bytes(pid: int) -> int:
    """The most that was resident since `forget_peak`, or since it was started."""
    return _status_bytes(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the peak begin anew from what is resident now."""
    (_PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)


def cpu_seconds(leader: int) -> float:
    """What a session leader and every process in its session have used: services and servers lead one each.

    Unlike a rate it hardly depends on what else the machine does.
    """
    ticks = 0
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            continue
        if int(fields[_SESSION]) == leader:
            ticks += sum(int(field) for field in fields[_TIMES])
    return ticks / os.sysconf("SC_CLK_TCK")


def proportional_bytes(leader: int) -> int:
    """What a session leader and every process in its session hold; a page that several share counts once."""
    kilobytes = 0
    for pid in _session(leader):
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1024


def _session(leader: int) -> list[int]:
    members = []
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[_SESSION]) == leader:
            members.append(int(stat.parent.name))
    return members


def _status_bytes(pid: int, field: str) -> int:
    lines = (_PROC / str(pid) / "status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) * 1024
