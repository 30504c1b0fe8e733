"""The operating system's errors as ours, said once."""

import errno
import os

from shared.errors import StorageFull, StorageUnavailable


def storage_error(error: OSError) -> StorageFull | StorageUnavailable:
    """What `error` means for the one who waits for the file."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull("no room left in the storage folder; free space or give it a larger disk")
    return StorageUnavailable(f"the storage folder cannot be used: {os.strerror(error.errno or 0)}")
