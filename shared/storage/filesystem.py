"""A local folder as object store: fsync, then rename, so that what is visible is whole and survives a power cut."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from uuid import uuid4

from shared.errors import ObjectNotFound, StorageUnavailable
from shared.storage.os_errors import storage_error
from shared.storage.port import ByteRange, StoredObject

_WORKSPACES = ".incomplete"
_NO_OBJECTS = frozenset({_WORKSPACES, "lost+found"})  # the second is the file system's own where a disk is mounted
_LISTED_AT_ONCE = 500
_CHUNK_BYTES = 256 * 1024


class FilesystemStore:
    """`ObjectStore` below one root folder. Unfinished work lies in `.incomplete/` on the same file system."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    @asynccontextmanager
    async def workspace(self) -> AsyncIterator[Path]:
        """See the port."""
        folder = self._root / _WORKSPACES / uuid4().hex
        with _translated():
            await asyncio.to_thread(folder.mkdir, parents=True)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def put(self, source: Path, key: str) -> None:
        """See the port."""
        target = self.path(key)
        with _translated():
            await asyncio.to_thread(_make_durable, source, target)

    async def open(self, key: str, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        """See the port."""
        path = self.path(key)
        with _translated(key):
            file = await asyncio.to_thread(path.open, "rb")
        with file:
            left = span.length if span is not None else None
            if span is not None:
                file.seek(span.start)
            while left is None or left > 0:
                wanted = _CHUNK_BYTES if left is None else min(_CHUNK_BYTES, left)
                with _translated(key):
                    chunk = await asyncio.to_thread(file.read, wanted)
                if not chunk:
                    return
                if left is not None:
                    left -= len(chunk)
                yield chunk

    @asynccontextmanager
    async def as_file(self, key: str) -> AsyncIterator[Path]:
        """See the port; here the object itself, so the caller must not write to it."""
        await self.size(key)
        yield self.path(key)

    async def size(self, key: str) -> int:
        """See the port."""
        path = self.path(key)
        with _translated(key):
            return (await asyncio.to_thread(path.stat)).st_size

    async def objects(self) -> AsyncIterator[StoredObject]:
        """See the port. A link is listed as itself and not followed."""
        files = _files(self._root, inside="")
        while True:
            with _translated():
                listed = await asyncio.to_thread(lambda: [*islice(files, _LISTED_AT_ONCE)])
            if not listed:
                return
            for found in listed:
                yield found

    async def delete(self, key: str) -> None:
        """See the port."""
        path = self.path(key)
        with _translated():
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def check(self) -> None:
        """See the port."""
        probe = self._root / _WORKSPACES / f"probe-{uuid4().hex}"
        with _translated():
            await asyncio.to_thread(_write_and_remove, probe)

    async def free_bytes(self) -> int:
        """See the port."""
        with _translated():
            return await asyncio.to_thread(_free_bytes, self._root)

    async def sweep(self, *, older_than_seconds: float) -> int:
        """Remove what killed processes left unfinished, once it is older than any work takes; how much it was."""
        with _translated():
            return await asyncio.to_thread(_sweep, self._root / _WORKSPACES, time.time() - older_than_seconds)

    async def abandoned(self, *, older_than_seconds: float) -> int:
        """How much of it there is to sweep."""
        with _translated():
            return await asyncio.to_thread(_count, self._root / _WORKSPACES, time.time() - older_than_seconds)

    def path(self, key: str) -> Path:
        """Where `key` lies, for servers that send files from disk. Raises `ValueError` for a key that leads outside.

        The key's parts are checked and the result is checked again after links are resolved: two locks on one door.
        """
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or "\\" in key or "\0" in key or any(p.startswith(".") for p in parts):
            msg = f"not a key of this store: {key!r}"
            raise ValueError(msg)
        path = self._root.joinpath(*parts)
        if not path.resolve().is_relative_to(self._root):
            msg = f"the key leads out of the store: {key!r}"
            raise ValueError(msg)
        return path


def _make_durable(source: Path, target: Path) -> None:
    descriptor = os.open(source, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new_folders = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    # a name is durable when the folder that holds it is; a new folder is a name in its parent
    for folder in (target.parent, *(folder.parent for folder in new_folders)):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _free_bytes(root: Path) -> int:
    existing = next(folder for folder in (root, *root.parents) if folder.exists())  # made at the first write
    return shutil.disk_usage(existing).free


def _files(folder: Path, *, inside: str) -> Iterator[StoredObject]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not inside and entry.name in _NO_OBJECTS:
                continue
            key = inside + entry.name
            with suppress(FileNotFoundError):  # gone since the folder was read
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(folder / entry.name, inside=f"{key}/")
                else:
                    about = entry.stat(follow_symlinks=False)
                    modified_at = datetime.fromtimestamp(about.st_mtime, UTC)
                    yield StoredObject(key=key, size_bytes=about.st_size, modified_at=modified_at)


def _abandoned(workspaces: Path, before: float) -> Iterator[Path]:
    if not workspaces.is_dir():
        return
    for left in workspaces.iterdir():
        with suppress(FileNotFoundError):  # another service sweeps at the same time, or the work has just ended
            if left.stat().st_mtime < before:
                yield left


def _sweep(workspaces: Path, before: float) -> int:
    swept = 0
    for left in _abandoned(workspaces, before):
        with suppress(FileNotFoundError):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
            swept += 1
    return swept


def _count(workspaces: Path, before: float) -> int:
    return sum(1 for _ in _abandoned(workspaces, before))


def _write_and_remove(probe: Path) -> None:
    probe.parent.mkdir(parents=True, exist_ok=True)
    probe.write_bytes(b"ok")
    probe.unlink()


@contextmanager
def _translated(key: str | None = None) -> Iterator[None]:
    """Our errors for the operating system's."""
    try:
        yield
    except FileNotFoundError as error:
        if key is not None:
            raise ObjectNotFound(key) from error
        msg = "the storage folder disappeared"
        raise StorageUnavailable(msg) from error
    except OSError as error:
        raise storage_error(error) from error
