"""The files of a worker: the kernel lets it open what is listed, and nothing else, whatever rights its user has."""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from previewer.render.kernel import architecture, system_call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION, _PATH_BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_FILE = 1 << 5
_MAKE_REG = 1 << 8
_TRUNCATE = 1 << 14
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights of the file system it knows; later ones: 16
_TCP = 0b11  # to listen and to connect
_OUTSIDE = 0b11  # abstract sockets of, and signals to, processes outside

_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _READ_FILE | _READ_DIR
# neither folders nor links: a link that leads outside would be followed by whoever reads what was made
_WRITE = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _REMOVE_FILE


def restrict_files(*, readable: Iterable[Path], writable: Iterable[Path]) -> int:
    """For this process, for good, with all below these paths; paths that do not exist are left out.

    The version of Landlock that does it. Raises `OSError` where the kernel cannot; asks for no_new_privs before.
    """
    if architecture() is None:
        raise OSError(errno.ENOSYS, "Landlock is known on x86-64 and aarch64 only")
    version = system_call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    known = (1 << _RIGHTS_OF_VERSION.get(version, 16)) - 1
    ruleset = struct.pack("=Q", known)
    if version >= 4:
        ruleset += struct.pack("=Q", _TCP)
    if version >= 6:
        ruleset += struct.pack("=Q", _OUTSIDE)
    descriptor = system_call(_CREATE_RULESET, ctypes.create_string_buffer(ruleset, len(ruleset)), len(ruleset), 0)
    try:
        for path in readable:
            _allow(descriptor, path, _READ & known)
        for path in writable:
            _allow(descriptor, path, _WRITE & known)
        system_call(_RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)
    return version


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not path.is_dir():
            rights &= _OF_A_FILE
        rule = struct.pack("=Qi", rights, beneath)
        system_call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.create_string_buffer(rule, len(rule)), 0)
    finally:
        os.close(beneath)
