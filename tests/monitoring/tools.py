"""Prometheus and Alertmanager as programs of this machine: on the PATH, else Debian's packages, unpacked."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"

_UNPACKED = ROOT / ".local" / "tools"
_NAMES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    # Debian calls the second one differently
    "prometheus": ("prometheus", ("prometheus",)),
    "promtool": ("prometheus", ("promtool",)),
    "alertmanager": ("prometheus-alertmanager", ("alertmanager", "prometheus-alertmanager")),
    "amtool": ("prometheus-alertmanager", ("amtool",)),
}


def tool(name: str) -> Path:
    """The program, fetched the first time. Skips the test where there is neither it nor apt."""
    package, names = _NAMES[name]
    for each in names:
        if found := shutil.which(each):
            return Path(found)
    folder = _UNPACKED / package
    if not folder.is_dir():
        _unpack(package, folder)
    return next(path for each in names if (path := folder / "usr" / "bin" / each).is_file())


def alertmanager_command() -> Sequence[str]:
    """How to start Alertmanager. Debian's reads its templates from /usr/share, wherever it was unpacked."""
    program = tool("alertmanager")
    if not program.is_relative_to(_UNPACKED):
        return [str(program)]
    # in a mount namespace of its own, where the package's files are seen as if it were installed
    lay = f"mount -t overlay overlay -o lowerdir={program.parents[1] / 'share'}:/usr/share /usr/share"
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'{lay} && exec "$@"', "sh"]
    if shutil.which("unshare") is None or _run(*inside, "true", cwd=ROOT).returncode != 0:
        pytest.skip("Alertmanager is not on the PATH, and Debian's package cannot be used without being installed here")
    return [*inside, str(program)]


def _unpack(package: str, folder: Path) -> None:
    """Nothing is installed: no service starts, no root is needed, and removing the folder undoes it."""
    _UNPACKED.mkdir(parents=True, exist_ok=True)
    with (_UNPACKED / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return
        with tempfile.TemporaryDirectory(dir=_UNPACKED) as place:
            error = _download(package, Path(place))
            if error is not None:
                pytest.skip(
                    f"{package} is neither on the PATH nor could apt fetch it; install it "
                    f"(Debian, Ubuntu: apt-get install {package}; macOS: brew install prometheus). {error}"
                )
            (archive,) = Path(place).glob("*.deb")
            _run("dpkg", "-x", str(archive), str(Path(place) / "tree"), cwd=Path(place)).check_returncode()
            (Path(place) / "tree").rename(folder)


def _download(package: str, place: Path) -> str | None:
    """None when it is there, else what apt said."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return "There is no apt here."
    done = _run("apt-get", "download", package, cwd=place)
    if done.returncode != 0 and os.geteuid() == 0:  # the lists may have never been fetched
        _run("apt-get", "update", cwd=place)
        done = _run("apt-get", "download", package, cwd=place)
    return None if done.returncode == 0 else done.stderr.strip()


def _run(*command: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - commands of our own
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
