"""The few Linux calls that Python does not offer."""

import ctypes
import os
import platform
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


def architecture() -> str | None:
    """`x86_64` or `aarch64` on Linux: those whose call numbers we know. None elsewhere."""
    machine = platform.machine()
    known = sys.platform == "linux" and sys.byteorder == "little" and sys.maxsize > 2**32
    return machine if known and machine in ("x86_64", "aarch64") else None


def system_call(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | ctypes.Structure | None) -> int:
    """Raises `OSError` as Python's own calls do."""
    result: int = _libc.syscall(ctypes.c_long(number), *(_as_word(each) for each in arguments))
    if result < 0:
        number_of_error = ctypes.get_errno()
        raise OSError(number_of_error, os.strerror(number_of_error))
    return result


def no_new_privileges() -> None:
    """No program started from here can gain rights; unprivileged filters ask for it."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent() -> None:
    """However it ends. Elsewhere than on Linux a process outlives its parent."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(what: int, value: int) -> None:
    if _libc.prctl(what, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _as_word(argument: int | ctypes.Array[ctypes.c_char] | ctypes.Structure | None) -> object:
    if argument is None:
        return ctypes.c_void_p(None)
    return ctypes.c_long(argument) if isinstance(argument, int) else ctypes.byref(argument)
