"""`attache backup`: documents and files into one folder, while the services go on."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer

from shared.backup.backup import Backup, Saved
from shared.backup.errors import BackupError
from shared.backup.folder import locked, opened
from shared.cli.backup_report import show_saved
from shared.cli.settings import StoreSettings
from shared.cli.storage_access import Halt, Stopped, opened_store, store_settings, with_database
from shared.cli.transfer_progress import transfer_bar
from shared.clock import system_clock
from shared.errors import PipelineError
from shared.repository.mongo import Database
from shared.repository.references import References

log = structlog.get_logger(__name__)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the backup.")]

_FOR_THE_OWNER_ALONE = 0o077


def backup(
    folder: Folder,
    accept_fewer: Annotated[
        bool, typer.Option("--accept-fewer", help="Also with far fewer attachments than last time, or most files lost.")
    ] = False,
) -> None:
    """Save documents and files. The services may go on. A second backup into the same folder copies what is new.

    CREDENTIALS_ENCRYPTION_KEY, without which nobody can read the access tokens in it, is not saved: keep it elsewhere.
    """
    settings = store_settings()
    with explained():
        place = opened(named(folder), apart_from=Path(settings.storage_url))
        os.umask(_FOR_THE_OWNER_ALONE)  # what is saved is personal data
        with locked(place, alone=True):
            saved = with_database(settings, lambda database: _saved(database, settings, place, accept_fewer))
    if not show_saved(saved, place):
        raise typer.Exit(1)


def named(folder: Path) -> Path:
    """What somebody typed, if it names a folder at all."""
    if not str(folder).strip() or folder == Path():
        raise typer.BadParameter("say which folder", param_hint="DIR")
    if folder.exists() and not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder", param_hint="DIR")
    return folder


@contextmanager
def explained() -> Iterator[None]:
    """Exit with 1, and the reason, when it could not be done or Ctrl-C was pressed."""
    try:
        yield
        return
    except BackupError as error:
        reason = str(error)
        for each in getattr(error, "details", ()):
            # a name that somebody chose may hold what a terminal obeys
            sys.stderr.write(f"  {each.encode('unicode_escape').decode()}\n")
    except PipelineError as error:
        reason = f"{error.message}. What was copied stays, and the same command goes on with the rest"
    except Stopped:
        reason = "Stopped. What was copied stays, and the same command goes on with the rest"
    typer.echo(f"{reason[:1].upper()}{reason[1:]}.", err=True)
    raise typer.Exit(1)


async def _saved(database: Database, settings: StoreSettings, folder: Path, accept_fewer: bool) -> Saved:
    store = opened_store(settings, promised=await References(database).count())
    work, halt = Backup(database=database, store=store, folder=folder, clock=system_clock), Halt()
    planned = await work.planned(accept_fewer=accept_fewer)
    with transfer_bar() as progress:
        documents = progress.add_task("Documents", total=planned.documents)
        files = progress.add_task("Files", total=planned.copy_bytes, bytes=True)
        saved = await work.made(
            on_documents=lambda count: progress.advance(documents, count),
            on_bytes=lambda count: progress.advance(files, count),
            between=halt.here,
        )
    log.info(
        "backup.finished",
        backup=saved.manifest.id,
        documents=saved.manifest.documents,
        files=saved.manifest.files.count,
        bytes=saved.manifest.size_bytes,
        copiedFiles=saved.copied.files,
        missing=saved.met.missing,
        damaged=saved.copied.damaged,
        kept=saved.copied.kept,
    )
    return saved
