"""The folder of a backup: nobody else's files in it, one command at a time, for its owner alone."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.backup.errors import BackupError, InUse, NotEmpty

FILES = "files"
SUMS = "SHA256SUMS"
_CHANGED = "changed"
_OURS = ".attache-backup"  # the lock as well
_NOTHING = frozenset({_OURS, "lost+found"})


def opened(folder: Path, *, apart_from: Path) -> Path:
    """The folder, made if it is not there. Raise `BackupError` when it cannot be one for backups."""
    folder, store = folder.resolve(), apart_from.resolve()
    if folder.is_relative_to(store) or store.is_relative_to(folder):
        raise NotEmpty(f"{folder} and the storage folder {store} lie in each other; give a folder elsewhere")
    if (folder / FILES).is_symlink():
        raise NotEmpty(f"{folder / FILES} is a link; nothing was written, as it may lead to the store. Remove it")
    try:
        if folder.is_dir() and not (folder / _OURS).exists() and any(x.name not in _NOTHING for x in folder.iterdir()):
            raise NotEmpty(f"{folder} holds other things, and no backup of Attache; give a new or an empty folder")
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
        (folder / _OURS).touch(mode=0o600)
    except OSError as error:
        raise BackupError(f"{folder} cannot be written to ({os.strerror(error.errno or 0)})") from error
    return folder


@contextmanager
def locked(folder: Path, *, alone: bool) -> Iterator[None]:
    """Raise `InUse` while another command works here; several may read (`alone=False`)."""
    path = folder / _OURS
    try:
        descriptor = os.open(path if path.exists() else folder, os.O_RDONLY)
    except OSError as error:
        raise BackupError(f"{folder} cannot be read ({os.strerror(error.errno or 0)})") from error
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"another backup or restore works in {folder} now; wait for its end") from None
        yield
    finally:
        os.close(descriptor)


def changed(documents: Path) -> Path:
    """Files that an earlier backup has with another content: beside the documents, until that backup is outdated."""
    return documents / _CHANGED


def stored(documents: Path, key: str) -> Path:
    """Where a backup has a file; `documents` is the folder of its documents."""
    newer = changed(documents) / key
    return newer if newer.is_file() else documents.parent / FILES / key


def settle(documents: Path) -> None:
    """This backup is the one of its folder: its changed files take the place of the earlier ones."""
    newer = changed(documents)
    for path in sorted(newer.rglob("*")):
        if path.is_file():
            target = documents.parent / FILES / path.relative_to(newer)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    shutil.rmtree(newer, ignore_errors=True)


def unfinished(folder: Path) -> list[Path]:
    """What backups that were cut off have left; not the files, which each are whole."""
    return [*folder.glob("*.unfinished")]


def removed(paths: Iterable[Path]) -> None:
    """Files and folders, as far as it can be done."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
