"""What a worker gives up for good before it sees the first file."""

import contextlib
import os
import resource
import signal
import site
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from previewer.render.budget import limit
from previewer.render.job import Limits
from previewer.render.kernel import no_new_privileges
from previewer.render.landlock import restrict_files
from previewer.render.seccomp import refuse_system_calls

_OPEN_FILES = 64
# libraries, their configuration, fonts, time zones; nothing that a service has of its own
_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/usr/share", "/etc/ld.so.cache", "/etc/fonts")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


def confine(limits: Limits, *, readable: Path, writable: Path, keep: tuple[int, ...]) -> Mapping[str, str]:
    """Keep the open files `keep`, and of all others what is in the two folders.

    What the kernel does not offer is left out: the answer says why, by name of the part.
    """
    os.environ.clear()
    _only(keep)
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(each, signal.SIG_DFL)  # a decoder deep in C would never get to a Python handler
    os.nice(10)  # the service answers its probes first
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")  # and is not the one that is killed
    limit(resource.RLIMIT_CORE, 0)  # a dump would hold the customer's picture
    limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    limit(resource.RLIMIT_FSIZE, limits.output_bytes)
    parts: Mapping[str, Callable[[], object]] = {
        "no_new_privs": no_new_privileges,
        "landlock": lambda: restrict_files(
            readable=[*map(Path, (*_SYSTEM, *_DEVICES)), *_libraries(), readable], writable=[writable]
        ),
        "seccomp": refuse_system_calls,  # last: it refuses what the other two need
    }
    missing = {}
    for name, restrict in parts.items():
        try:
            restrict()
        except OSError as error:
            missing[name] = error.strerror or str(error)
    return missing


def _only(keep: tuple[int, ...]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):  # what a decoder prints is nobody's log
        os.dup2(nothing, standard)
    last = 2
    for descriptor in (*sorted(keep), os.sysconf("SC_OPEN_MAX")):
        os.closerange(last + 1, descriptor)
        last = descriptor


def _libraries() -> Iterator[Path]:
    """Python, its packages and ours: the packages, not the folders they lie in. A clone's root holds `.env`."""
    yield from map(Path, {sys.prefix, sys.base_prefix, *site.getsitepackages()})
    for entry in {Path(each) for each in sys.path if each}:
        if entry.is_dir() and not entry.is_relative_to(sys.base_prefix) and not entry.is_relative_to(sys.prefix):
            yield from {module.parent for module in entry.glob("[!.]*/*.py")}
