"""A disk that can be full: for root a small tmpfs of its own; else a folder, with a floor just below what is free."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

MIB = 1024 * 1024
_FLOOR_BYTES = 8 * MIB
_SPARE_BYTES, _BYTES_EACH = 64 * MIB, 40_000
_ABOVE_FLOOR_BYTES, _BELOW_FLOOR_BYTES = 512 * MIB, 64 * MIB


class Disk:
    """Where the services keep attachments. `floor_bytes` is their `STORAGE_MIN_FREE_BYTES`."""

    def __init__(self, folder: Path, *, floor_bytes: int, own: bool) -> None:
        self.uploads = folder / "uploads"
        self.floor_bytes = floor_bytes
        self._own = own
        self._filler = folder / "filler"

    @property
    def kind(self) -> str:
        return "a tmpfs of its own" if self._own else "a folder with a floor (not root: the disk itself is never full)"

    async def fill(self, *, to_the_brim: bool) -> None:
        """Leave nothing, or less than the floor. On a disk that others use, always only less than the floor."""
        left = 0 if to_the_brim and self._own else self.floor_bytes // 2 if self._own else self._left_elsewhere()
        await asyncio.to_thread(self._take, left)

    async def free(self) -> None:
        """As before."""
        await asyncio.to_thread(self._filler.unlink, missing_ok=True)

    def _left_elsewhere(self) -> int:
        return self.floor_bytes - _BELOW_FLOOR_BYTES

    def _take(self, left: int) -> None:
        with self._filler.open("wb") as file:
            while (taken := shutil.disk_usage(self._filler.parent).free - left) > 0:
                # as much as there is: somebody else may be quicker
                for size in (taken, 4096):
                    with suppress(OSError):
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
                        break
                else:
                    return


@asynccontextmanager
async def small_disk(folder: Path, *, attachments: int) -> AsyncIterator[Disk]:
    """An empty one with room for so many attachments; gone with everything on it when the block is left."""
    await asyncio.to_thread(_clear, folder)
    await asyncio.to_thread(folder.mkdir, parents=True)
    size = _SPARE_BYTES + attachments * _BYTES_EACH
    own = await asyncio.to_thread(_mounted, folder, size)
    floor = _FLOOR_BYTES if own else max(0, shutil.disk_usage(folder).free - size - _ABOVE_FLOOR_BYTES)
    try:
        yield Disk(folder, floor_bytes=floor, own=own)
    finally:
        await asyncio.to_thread(_clear, folder)


def _mounted(folder: Path, size: int) -> bool:
    if os.geteuid() != 0:
        return False
    options = f"size={size},mode=700"
    command = ["mount", "-t", "tmpfs", "-o", options, "attache-chaos", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - our own words


def _clear(folder: Path) -> None:
    while os.path.ismount(folder):  # left by a run that was killed, or ours
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=True)  # noqa: S603, S607 - likewise
    shutil.rmtree(folder, ignore_errors=True)
