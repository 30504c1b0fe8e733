"""What a worker process runs: its own confinement once, then one file."""

import math
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from previewer.plan import RENDERERS, Renderer, RenditionSpec
from previewer.render import image
from previewer.render.job import Limits, Rendered

P = ParamSpec("P")
T = TypeVar("T")

_OPEN_FILES = 64
_GRACE_SECONDS = 5


class Render(Protocol):
    """One kind's renderer: writes the specs' files below `out_dir`."""

    def __call__(
        self, source: Path, out_dir: Path, specs: Sequence[RenditionSpec], mime_type: str, limits: Limits
    ) -> Rendered: ...


RENDER: Mapping[Renderer, Render] = {
    Renderer.IMAGE: image.render,
}


def render(source: Path, out_dir: Path, specs: Sequence[RenditionSpec], mime_type: str, limits: Limits) -> Rendered:
    """Render one file by the renderer of its sniffed type."""
    return RENDER[RENDERERS[mime_type]](source, out_dir, specs, mime_type, limits)


def confine(limits: Limits) -> None:
    """Give up, for good, what a decoder does not need: the environment, memory, time, files and processes."""
    os.environ.clear()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a decoder deep in C would never get to a Python handler
    os.nice(10)  # the service answers its probes first
    _limit(resource.RLIMIT_CORE, 0)  # a dump would hold the customer's picture
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_NPROC, 0)  # no new processes or threads (root is exempt: do not run as root)
    _limit(resource.RLIMIT_FSIZE, limits.output_bytes)
    _limit(resource.RLIMIT_CPU, math.ceil(limits.seconds) + 1)
    if sys.platform == "linux":  # elsewhere the limit is not enforced, and the baseline not known
        _limit(resource.RLIMIT_AS, _address_space_bytes() + limits.memory_bytes)


def bounded(seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function`; the kernel ends the process soon after `seconds`, even when the service is there no more."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)
    return function(*args, **kwargs)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()
