"""The system calls of a worker: what decoding needs is allowed, all else is refused by the kernel.

A list of what is allowed, as Docker's, and not of what is forbidden: a call that nobody thought of is refused.
Number in the table of x86-64, then in that of aarch64, which has no old forms.
"""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, chain

from previewer.render.kernel import architecture, system_call

_ALLOWED: Mapping[str, tuple[int | None, int | None]] = {
    # files that are open, or that Landlock lets it open
    "access": (21, None),
    "close": (3, 57),
    "close_range": (436, 436),
    "copy_file_range": (326, 285),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fadvise64": (221, 223),
    "fdatasync": (75, 83),
    "fstat": (5, 80),
    "fstatfs": (138, 44),
    "fsync": (74, 82),
    "ftruncate": (77, 46),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "lseek": (8, 62),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "pread64": (17, 67),
    "preadv": (295, 69),
    "pwrite64": (18, 68),
    "pwritev": (296, 70),
    "read": (0, 63),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "stat": (4, None),
    "statfs": (137, 43),
    "statx": (332, 291),
    "umask": (95, 166),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "write": (1, 64),
    "writev": (20, 66),
    # memory
    "brk": (12, 214),
    "madvise": (28, 233),
    "mincore": (27, 232),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "msync": (26, 227),
    "munmap": (11, 215),
    # time, waiting and its own signals
    "alarm": (37, None),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "futex": (202, 98),
    "getitimer": (36, 102),
    "gettimeofday": (96, 169),
    "nanosleep": (35, 101),
    "pause": (34, None),
    "poll": (7, None),
    "ppoll": (271, 73),
    "pselect6": (270, 72),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "select": (23, None),
    "setitimer": (38, 103),
    "sigaltstack": (131, 132),
    "time": (201, None),
    # what it may know of itself and the machine
    "arch_prctl": (158, None),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "getcpu": (309, 168),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "membarrier": (324, 283),
    "rseq": (334, 293),
    "sched_getaffinity": (204, 123),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "uname": (63, 160),
}
_THREAD_FLAGS = (0x3D0F00, 0x7D0F00)  # of glibc, and of musl
_OPENING = os.O_ACCMODE | os.O_TRUNC


@dataclass(frozen=True, kw_only=True)
class _Condition:
    """A call that is allowed when these bits of this argument, counted from 0, are one of these values."""

    numbers: tuple[int | None, int | None]
    argument: int
    values: tuple[int, ...]
    bits: int = 0xFFFFFFFF


def _conditions(process_id: int) -> Mapping[str, _Condition]:
    commands = (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL)
    # whoever may read a file could empty it, where Landlock does not know of that yet, which is before Linux 6.2
    opening = (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_TRUNC)
    return {
        # a thread, which libheif's decoder always starts; never a process
        "clone": _Condition(numbers=(56, 220), argument=0, values=_THREAD_FLAGS),
        # with others a pipe sends a signal of choice to any process of the same user
        "fcntl": _Condition(numbers=(72, 25), argument=1, values=commands),
        # abort() and raise(): to itself
        "kill": _Condition(numbers=(62, 129), argument=0, values=(process_id,)),
        "tgkill": _Condition(numbers=(234, 131), argument=0, values=(process_id,)),
        "open": _Condition(numbers=(2, None), argument=1, values=opening, bits=_OPENING),
        "openat": _Condition(numbers=(257, 56), argument=2, values=opening, bits=_OPENING),
        # its own limits
        "prlimit64": _Condition(numbers=(302, 261), argument=0, values=(0,)),
    }


# the C library takes another way when it hears that there is no such call
_CLONE3 = 435
_NEWEST_KNOWN = 450

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER = 1

# BPF_LD|W|ABS, BPF_ALU|AND|K, BPF_JMP|JEQ|K, BPF_JMP|JGT|K, BPF_RET|K
_LOAD, _AND, _EQUAL, _GREATER, _RETURN = 0x20, 0x54, 0x15, 0x25, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data; of an argument's 8 bytes, the lower 4 count
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_system_calls() -> None:
    """For this process, for good. Raises `OSError` where the kernel cannot; asks for no_new_privs before."""
    name = architecture()
    if name is None:
        raise OSError(errno.ENOSYS, "system calls are filtered on x86-64 and aarch64 only")
    program = bpf(name, os.getpid())
    system_call(_SYS_SECCOMP[name], _SET_MODE_FILTER, 0, _Program(len(program) // 8, program))


def bpf(name: str, process_id: int) -> bytes:
    """The filter as the kernel reads it: for each call one comparison, then the answer."""
    column = 0 if name == "x86_64" else 1
    # behind the comparisons: what they jump to
    answers = [
        [_instruction(_RETURN, _ERRNO | errno.EPERM)],  # where they end when none is true
        [_instruction(_RETURN, _ALLOW)],
        [_instruction(_RETURN, _ERRNO | errno.ENOSYS)],
    ]
    tests = [(_EQUAL, number, 1) for numbers in _ALLOWED.values() if (number := numbers[column]) is not None]
    for condition in _conditions(process_id).values():
        if (number := condition.numbers[column]) is not None:
            tests.append((_EQUAL, number, len(answers)))
            answers.append(_allowed_if(condition))
    # from 0x40000000 the calls of x32, which are the same under other numbers
    tests += [(_EQUAL, _CLONE3, 2), (_GREATER, _NEWEST_KNOWN, 2)]

    head = [
        _instruction(_LOAD, _ARCH_AT),
        _instruction(_EQUAL, _AUDIT_ARCH[name], yes=1),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _NUMBER_AT),
    ]
    starts = [0, *accumulate(map(len, answers))]
    middle = [
        _instruction(operation, number, yes=len(tests) - place - 1 + starts[answer])
        for place, (operation, number, answer) in enumerate(tests)
    ]
    return b"".join((*head, *middle, *chain(*answers)))


def _allowed_if(condition: _Condition) -> list[bytes]:
    many = len(condition.values)
    return [
        _instruction(_LOAD, _ARGUMENTS_AT + 8 * condition.argument),
        _instruction(_AND, condition.bits),
        *(_instruction(_EQUAL, value, yes=many - place) for place, value in enumerate(condition.values)),
        _instruction(_RETURN, _ERRNO | errno.EPERM),
        _instruction(_RETURN, _ALLOW),
    ]


def _instruction(operation: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, yes, no, value)
