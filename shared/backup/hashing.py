"""Bytes read once: counted and hashed on the way, never held as a whole."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

Read = Callable[[int], None]
"""Called with how many bytes have just been read."""

_CHUNK_BYTES = 1024 * 1024


def chunks(path: Path) -> Iterator[bytes]:
    """The content of a file."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def digest(path: Path, on_read: Read = lambda _: None) -> str:
    """SHA-256 of a file in lowercase hex."""
    found = hashlib.sha256()
    for chunk in chunks(path):
        found.update(chunk)
        on_read(len(chunk))
    return found.hexdigest()


def copied(source: Path, target: Path, *, on_read: Read = lambda _: None) -> str:
    """The digest of what was copied; half of it does not stay."""
    found = hashlib.sha256()
    try:
        with target.open("wb", buffering=0) as file:
            for chunk in chunks(source):
                found.update(chunk)
                left = memoryview(chunk)
                while left:
                    left = left[file.write(left) :]
                on_read(len(chunk))
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return found.hexdigest()


def synced() -> None:
    """All that was written is on the disk: one wait for thousands of files, rather than one for each."""
    os.sync()
