"""The files of a backup on their way back. Blocking: for a thread."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.backup.errors import Damaged
from shared.backup.folder import FILES, stored
from shared.backup.hashing import Read, copied, digest, synced
from shared.backup.index import entries
from shared.keys import parse
from shared.storage.filesystem import FilesystemStore
from shared.storage.os_errors import storage_error


@dataclass(kw_only=True)
class Copied:
    """What was done so far. `left_out`: damaged ones that somebody wanted left out."""

    files: int = 0
    size_bytes: int = 0
    there_already: int = 0
    left_out: int = 0


class RestoredFiles:
    """Raises `Damaged`, `StorageFull` and `StorageUnavailable`."""

    def __init__(self, *, sums: Path, store: FilesystemStore) -> None:
        self._documents = sums.parent
        self._sums = sums
        self._store = store
        self.done = Copied()

    def lacking_bytes(self) -> int:
        """How much room those take that are not there yet."""
        lacking = 0
        for _, key in entries(self._sums):
            size = _size(stored(self._documents, key)) or 0
            lacking += 0 if _size(self._path(key)) == size else size
        return lacking

    def copy(self, workspace: Path, *, without_damaged: bool, on_bytes: Read, between: Callable[[], None]) -> None:
        """All that are not there yet, each at once and whole; on the disk at the end."""
        for sha256, key in entries(self._sums):
            between()
            try:
                self._copy(key, sha256, workspace, on_bytes)
            except (FileNotFoundError, Damaged):
                if not without_damaged:
                    raise Damaged(f"{FILES}/{key} is damaged or missing by now", files=True) from None
                self.done.left_out += 1
            except OSError as error:
                raise storage_error(error) from error
        synced()

    def _copy(self, key: str, sha256: str, workspace: Path, on_bytes: Read) -> None:
        source, target = stored(self._documents, key), self._path(key)
        size = source.stat().st_size
        if _size(target) == size and digest(target) == sha256:
            on_bytes(size)
            self.done.there_already += 1
            return
        if _is_whole_original(key, target) and not _is_original_of(key, sha256):
            on_bytes(size)  # saved when it was damaged; what is there is what its name says
            self.done.there_already += 1
            return
        whole = workspace / "whole"
        if copied(source, whole, on_read=on_bytes) != sha256:
            raise Damaged(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        whole.replace(target)
        self.done.files += 1
        self.done.size_bytes += size

    def _path(self, key: str) -> Path:
        try:
            return self._store.path(key)
        except ValueError as error:
            raise Damaged(f"the list of files names one outside of the storage folder: {key!r}") from error


def _is_original_of(key: str, sha256: str) -> bool:
    parsed = parse(key)
    return parsed is not None and parsed.is_original and parsed.sha256 == sha256


def _is_whole_original(key: str, path: Path) -> bool:
    return (
        path.is_file()
        and (parsed := parse(key)) is not None
        and parsed.is_original
        and _is_original_of(key, digest(path))
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
