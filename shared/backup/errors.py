"""Why a backup cannot be made, or not be restored. Each text is for people and says what to do."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path


class BackupError(Exception):
    """Nothing that was there before has been changed, unless the text says so."""


class NotWhole(BackupError):
    """There is no backup in this folder, or one that was cut off."""


class NotEmpty(BackupError):
    """There is something else in the place that is to be written to."""


class BringsBack(BackupError):
    """What was erased would come back."""


class InUse(BackupError):
    """Another backup or restore works in this folder."""


class Implausible(BackupError):
    """What is to be saved looks like a mistake."""


class OfAnother(BackupError):
    """The folder holds the backup of another installation."""


class NoRoom(BackupError):
    """The disk is too small."""


class DiskFailed(BackupError):
    """The disk of the backup is full or broken: neither that of the database nor that of the store."""

    def __init__(self, folder: Path, error: Exception) -> None:
        number = getattr(error, "errno", None)
        if number in {errno.ENOSPC, errno.EDQUOT} or "disk is full" in str(error):
            said = f"no room left on the disk of the backup, {folder}; make room there"
        else:
            why = os.strerror(number) if number else type(error).__name__
            said = f"the folder of the backup, {folder}, cannot be used: {why}"
        super().__init__(f"{said}. What was copied stays, and the same command goes on with the rest")


class Damaged(BackupError):
    """What is in the backup is not what was put there. `files`: the damage is only that of single files."""

    def __init__(self, message: str, *, details: Sequence[str] = (), files: bool = False) -> None:
        super().__init__(message)
        self.details = details
        self.files = files
