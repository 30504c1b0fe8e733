"""What went wrong in a worker, as the errors of the pipeline: a sentence for people, and the cause for the log."""

import errno
import signal
from collections.abc import Mapping
from typing import Any

from previewer.render.job import MIB, Limits
from shared.errors import (
    ErrorCode,
    PreviewCrashed,
    PreviewError,
    PreviewOutOfMemory,
    PreviewTimeout,
    PreviewUnreadable,
    TransientError,
)

DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})

_OUT_OF_TIME = frozenset({-signal.SIGXCPU, -signal.SIGALRM})
_FROM_OUTSIDE = frozenset({-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
_SIGNALS = {int(number): number.name for number in signal.Signals}
_MOST_CHARACTERS = 300


class RendererDefect(Exception):
    """A renderer raised what it must not: the file is not to blame."""


class KeptWaiting(PreviewTimeout):
    """Its time was over before it had used it: the machine was busy or asleep. It says nothing about the file."""


class MachineBusy(TransientError):
    """The same, for whoever can try it again later; a machine that is always busy must not try for ever."""

    code = ErrorCode.PREVIEW_TIMEOUT

    def __init__(self) -> None:
        super().__init__("the machine was too busy, or stopped, while the preview was made", max_retries=3)


def out_of_time(limits: Limits, *, kept_waiting: bool = False) -> PreviewTimeout:
    """It was killed when its time was over."""
    kind = KeptWaiting if kept_waiting else PreviewTimeout
    return kind(
        f"Making a preview of this file takes longer than {limits.seconds:g} s, so it has none. "
        "The original can be downloaded."
    )


def crashed(detail: str) -> PreviewCrashed:
    """The process ended, or can be trusted no longer."""
    return PreviewCrashed(
        "The program that makes previews crashed on this file, so it has none. The original can be downloaded.",
        detail=detail,
    )


def is_from_outside(exit_code: int) -> bool:
    """Somebody ended it, most likely with the service; no decoder ends that way."""
    return exit_code in _FROM_OUTSIDE


def of_exit(exit_code: int, limits: Limits, *, kept_waiting: bool = False) -> PreviewError:
    """Of a process that ended instead of answering."""
    if exit_code in _OUT_OF_TIME:
        return out_of_time(limits, kept_waiting=kept_waiting)
    return crashed(f"exit code {exit_code}" if exit_code >= 0 else _SIGNALS.get(-exit_code, f"signal {-exit_code}"))


def of_answer(answer: Mapping[str, Any], limits: Limits) -> Exception:
    """Of a process that says that it failed, and is believed as little as the rest of what it says."""
    match answer:
        case {"failed": "memory"}:
            return PreviewOutOfMemory(
                f"Making a preview of this file needs more than {limits.memory_bytes / MIB:,.0f} MiB of memory, so it "
                "has none. The original can be downloaded."
            )
        case {"failed": ErrorCode.PREVIEW_UNREADABLE.value, "message": str(message), "detail": str(detail)}:
            return PreviewUnreadable(_plain(message), detail=detail)
        case {"failed": "system", "errno": errno.EFBIG}:
            return PreviewUnreadable(
                "The preview of this file would be too large, so it has none. The original can be downloaded."
            )
        case {"failed": "system", "errno": int(number), "message": str(message)}:
            # a full disk is nobody's fault; what the sandbox refused was asked for by the file
            return OSError(number, _plain(message)) if number in DISK_ERRORS else crashed(_plain(message))
        case {"failed": "defect", "kind": str(kind), "trace": str(trace)}:
            defect = RendererDefect(_plain(kind))
            defect.add_note(_plain(trace, most_characters=2000))
            return defect
    return crashed("an answer that no renderer of ours gives")


def _plain(text: str, *, most_characters: int = _MOST_CHARACTERS) -> str:
    return "".join(each if each.isprintable() else " " for each in text[:most_characters])
