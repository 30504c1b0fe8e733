"""Can files be written where attachments are kept, and is there room?"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from rich.filesize import decimal

from shared.doctor.check import Answer, fine, warning, wrong
from shared.doctor.threads import in_thread_of_its_own

_WORKSPACES = ".incomplete"
_FEW_INODES = 10_000


async def look_at_storage(folder: Path, *, min_free_bytes: int) -> Sequence[Answer]:
    """Writes a probe to the disk and removes it again."""
    return await in_thread_of_its_own(lambda: _looked_at(folder.resolve(), min_free_bytes))


def _looked_at(folder: Path, min_free_bytes: int) -> Sequence[Answer]:
    if not folder.is_dir():
        return [
            wrong(
                f"the folder {folder} is not there",
                "mount its disk, or correct STORAGE_URL; a relative one counts from where the command is called",
            )
        ]
    free = shutil.disk_usage(folder).free
    answers = [*_inodes(folder)]
    if free < min_free_bytes:
        answers.append(
            wrong(
                f"{decimal(free)} are free, less than STORAGE_MIN_FREE_BYTES ({decimal(min_free_bytes)}): "
                "nothing is downloaded",
                "make storage-prune shows what can go, or give the folder a larger disk; it goes on by itself",
            )
        )
    elif free < 2 * min_free_bytes:
        answers.append(warning(f"only {decimal(free)} are free", "make storage-prune shows what can go"))
    try:
        _probe(folder)
    except OSError as error:
        answers.append(
            wrong(
                f"nothing can be written to {folder} ({error.strerror or type(error).__name__})",
                "look at the disk (df -h, df -i), at who owns the folder, and whether it is mounted read-only",
            )
        )
    return answers or [fine(f"{folder} can be written to, {decimal(free)} are free")]


def _probe(folder: Path) -> None:
    # where services write, too: no check of the store takes it for a file of its own, and the ingestor sweeps there
    workspaces = folder / _WORKSPACES
    place = workspaces if workspaces.is_dir() else folder
    probe = place / f"doctor-{uuid4().hex}"
    with probe.open("xb") as file:
        probe.unlink()  # its name is not needed: who is killed from here on leaves nothing behind
        file.write(b"ok")
        file.flush()
        os.fsync(file.fileno())


def _inodes(folder: Path) -> Sequence[Answer]:
    about = os.statvfs(folder)
    if not about.f_files or about.f_favail >= _FEW_INODES:  # some file systems count none
        return []
    says = f"the disk has room for only {about.f_favail:,} more files (inodes)"
    next_step = "make storage-prune shows what can go; else a file system with more inodes (df -i)"
    return [warning(says, next_step) if about.f_favail else wrong(says, next_step)]
