"""The two folders that one worker process ever sees: its file comes into one, what it makes goes into the other."""

import contextlib
import os
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

from previewer.render.answers import Implausible, believed
from previewer.render.job import Job, Rendered

_MOST_FILES = 16


class DeskGone(Exception):
    """Somebody removed the folders; the process that was confined to them is of no use any more."""


class Desk:
    """Below a folder of its own, on the same file system as the store: an original comes without being copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.readable = folder / "in"
        self.writable = folder / "out"

    def set_up(self) -> None:
        """Make the folders, empty."""
        self.readable.mkdir()
        self.writable.mkdir()

    def touch(self) -> None:
        """Show that it is in use: what nobody has touched for an hour is removed as left by a killed process."""
        with contextlib.suppress(OSError):  # gone: the next file will tell
            os.utime(self._folder)

    def lay(self, job: Job) -> Job:
        """The same job, with its file and its folder on the desk."""
        if not self.readable.is_dir() or not self.writable.is_dir():
            raise DeskGone
        source = self.readable / "file"
        try:
            os.link(job.source, source)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            shutil.copyfile(job.source, source)
        return replace(job, source=source, out_dir=self.writable)

    def collect(self, answer: object, job: Job) -> Rendered:
        """Copy what was made to where `job` wants it, and leave the desk empty. Raises `Implausible`.

        Copied, as the worker may hold open what it wrote, and change it when it has been looked at.
        """
        rendered = believed(answer, job, made=self.writable)
        (self.readable / "file").unlink()
        with os.scandir(self.writable) as made:
            left = [*islice(made, _MOST_FILES + 1)]
        if len(left) > _MOST_FILES or not all(entry.is_file(follow_symlinks=False) for entry in left):
            raise Implausible("more than the files that were asked for")
        for entry in left:
            Path(entry).unlink()
        return rendered
