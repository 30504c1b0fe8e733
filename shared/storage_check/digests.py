"""The digest of what is really stored, read without holding it in memory."""

import asyncio
import errno
import hashlib
from pathlib import Path

from shared.errors import StorageUnavailable
from shared.storage.port import ObjectStore


async def digest_of(store: ObjectStore, key: str) -> str | None:
    """SHA-256 of the object in lowercase hex; None when the disk cannot read it any more.

    Raises `ObjectNotFound` and `StorageUnavailable`.
    """
    async with store.as_file(key) as path:
        return await asyncio.to_thread(_digest, path, key)


def _digest(path: Path, key: str) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        if error.errno == errno.EIO:  # a bad spot on the disk is this file's damage, not the store's
            return None
        msg = f"{key} cannot be read ({error.strerror}); give it back to the user that runs the services"
        raise StorageUnavailable(msg) from error
