"""The files of a backup: each copied once, and not again while it is there with the same size and digest."""

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shared.backup.errors import DiskFailed
from shared.backup.folder import FILES, changed
from shared.backup.hashing import Read, copied, digest
from shared.backup.index import FileIndex
from shared.errors import StorageUnavailable
from shared.keys import parse
from shared.storage.filesystem import FilesystemStore
from shared.storage.os_errors import storage_error

_NO_FILE = frozenset({errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST})
_DISK_OF_THE_BACKUP = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})  # only what is written to


@dataclass(kw_only=True)
class Copied:
    """What was done so far. `kept`: lost or damaged in the store, and whole here since an earlier backup."""

    files: int = 0
    size_bytes: int = 0
    there_already: int = 0
    kept: int = 0
    damaged: int = 0


class Copies:
    """Blocking: for a thread. Raises `DiskFailed` for the backup's disk, and `StorageUnavailable`.

    A file that differs from the one that is there goes beside `documents`: until these are named by a manifest, the
    earlier backup needs what is there.
    """

    def __init__(
        self, *, store: FilesystemStore, folder: Path, documents: Path, index: FileIndex, on_read: Read
    ) -> None:
        self._store = store
        self._root = folder
        self._folder = folder / FILES
        self._changed = changed(documents)
        self._index = index
        self._on_read = on_read
        self._unfinished = folder / f"{FILES}.unfinished"
        self.done = Copied()

    def take(self, keys: Iterable[str]) -> set[str]:
        """Those of these files that are nowhere to be had, neither in the store nor in an earlier backup here."""
        return {key for key in keys if not self._has(str(PurePosixPath(key)))}

    def _has(self, key: str) -> bool:
        return self._index.has(key) or self._taken(key)

    def _taken(self, key: str) -> bool:
        if "\n" in key:  # written by hand, and no list could name it
            return False
        try:
            source = self._store.path(key)
        except (ValueError, RuntimeError):  # likewise: it leads nowhere, or in a circle
            return False
        try:
            return self._from_store(key, source, self._folder / key)
        except FileNotFoundError:
            return self._from_before(key, self._folder / key)
        except PermissionError as error:
            msg = f"{error.filename} may not be read or written by this user; call the command as the services' user"
            raise StorageUnavailable(msg) from error
        except OSError as error:
            if error.errno in _NO_FILE:  # a bad spot on the disk, or a name that can be no file's
                return self._from_before(key, self._folder / key)
            if error.errno in _DISK_OF_THE_BACKUP:
                raise DiskFailed(self._root, error) from error
            raise storage_error(error) from error

    def _from_store(self, key: str, source: Path, target: Path) -> bool:
        size = source.stat().st_size
        there = self._there(key, source, target, size)
        if there is not None:
            self.done.there_already += 1
            self._index.keep(key, sha256=there, size_bytes=size)
            return True
        found = copied(source, self._unfinished, on_read=self._on_read)
        size = self._unfinished.stat().st_size
        if not _fits(key, found, size):
            if self._is_whole(key, target):
                self._unfinished.unlink()
                return self._from_before(key, target)
            self.done.damaged += 1
        place = self._changed / key if target.exists() else target
        place.parent.mkdir(parents=True, exist_ok=True)
        self._unfinished.replace(place)
        self.done.files += 1
        self.done.size_bytes += size
        self._index.keep(key, sha256=found, size_bytes=size)
        return True

    def _there(self, key: str, source: Path, target: Path, size: int) -> str | None:
        """Its digest, if it need not be copied."""
        try:
            if target.stat().st_size != size:
                return None
        except FileNotFoundError:
            return None
        former = self._index.former(key)
        if former is not None and _fits(key, former, size):
            return former
        # copied by a backup that was cut off: read it, which is cheaper than to write it again
        found = digest(target)
        is_original = (parsed := parse(key)) is not None and parsed.is_original
        return found if (_fits(key, found, size) if is_original else found == digest(source)) else None

    def _is_whole(self, key: str, target: Path) -> bool:
        former = self._index.former(key)
        if former is None or not target.is_file():
            return False
        found, size = digest(target), target.stat().st_size
        return found == former and _fits(key, found, size)

    def _from_before(self, key: str, target: Path) -> bool:
        """The store has lost it, and the last backup has it: it stays."""
        former = self._index.former(key)
        if former is None or not target.is_file():
            return False
        self.done.there_already += 1
        self.done.kept += 1
        self._index.keep(key, sha256=former, size_bytes=target.stat().st_size)
        return True


def _fits(key: str, sha256: str, size_bytes: int) -> bool:
    """Not another content than the name says. Of a rendition it does not tell, but none is empty."""
    parsed = parse(key)
    if parsed is None:
        return True
    return parsed.sha256 == sha256 if parsed.is_original else size_bytes > 0
