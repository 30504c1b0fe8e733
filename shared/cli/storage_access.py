"""What the storage commands work with: settings, the store, the database, a progress bar, a way to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer

from shared.cli.logs import log_to_stderr
from shared.cli.settings import StoreSettings
from shared.errors import PipelineError
from shared.repository.mongo import Database, DatabaseError, connect, ping
from shared.settings import load_settings
from shared.storage.filesystem import FilesystemStore

T = TypeVar("T")

# what is in an empty mount point, too: made by every readiness probe, and by the file system
_NO_FILES = frozenset({".incomplete", "lost+found"})


class Stopped(Exception):
    """Ctrl-C; what was in hand is done."""


class Halt:
    """Turns Ctrl-C into `Stopped` at the next place where stopping is harmless. Made inside a running loop."""

    def __init__(self) -> None:
        self._asked = False
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._ask)

    def here(self) -> None:
        """Such a place."""
        if self._asked:
            raise Stopped

    def _ask(self) -> None:
        self._asked = True


def store_settings() -> StoreSettings:
    """The settings; from here on it is logged where commands log to."""
    settings = load_settings(StoreSettings)
    log_to_stderr(settings)
    return settings


def opened_store(settings: StoreSettings, *, promised: int) -> FilesystemStore:
    """The store, if it can be the one that the documents mean: a disk that is not mounted looks like a great loss."""
    folder = Path(settings.storage_url).resolve()
    if folder.is_dir() and (not promised or any(each.name not in _NO_FILES for each in folder.iterdir())):
        return FilesystemStore(folder)
    seen = "is empty" if folder.is_dir() else "is not there"
    missed = f", and {promised} attachments should have their files in it" if promised else ""
    typer.echo(
        f"The storage folder {folder} {seen}{missed}; nothing was looked at. Is the disk mounted, and is STORAGE_URL "
        "right? A relative one counts from where the command is called.",
        err=True,
    )
    raise typer.Exit(1)


def with_database(settings: StoreSettings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Do the work; when MongoDB is away, say so and exit with 1."""

    async def connected() -> T:
        client = connect(settings.mongodb_uri)
        try:
            await ping(client[settings.mongodb_database])
            return await work(client[settings.mongodb_database])
        finally:
            client.close()

    try:
        return asyncio.run(connected())
    except ConnectionError as error:
        reason = f"{error}. Is it running, is MONGODB_URI right?"
    except DatabaseError as error:
        reason = f"MongoDB does not answer any more ({type(error).__name__}); give the same command again"
    typer.echo(reason, err=True)
    raise typer.Exit(1)


@contextmanager
def ended_well() -> Iterator[None]:
    """Exit with 1, and the reason, when the store fails or Ctrl-C was pressed."""
    try:
        yield
        return
    except PipelineError as error:
        reason = f"{error.message}; nothing more was looked at. Put it right, then give the same command again"
    except Stopped:
        reason = "Stopped; what was begun is done. The same command begins anew"
    typer.echo(f"{reason}.", err=True)
    raise typer.Exit(1)
