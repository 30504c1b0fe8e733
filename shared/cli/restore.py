"""`attache restore`: a backup put back, after it was verified, into a place where it does no harm."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import structlog
import typer
from pydantic import Field

from shared.backup import manifest
from shared.backup.errors import BackupError, BringsBack, Damaged, InUse, NotEmpty
from shared.backup.folder import locked
from shared.backup.hashing import Read
from shared.backup.manifest import Manifest
from shared.backup.restore import Restore, Restored
from shared.backup.sealed import Seals
from shared.backup.verify import verify
from shared.broker.letter_errors import ReadingFailed
from shared.cli.at_work import at_work
from shared.cli.backup import Folder, explained, named
from shared.cli.backup_report import show_manifest, show_restored
from shared.cli.logs import log_to_stderr
from shared.cli.settings import StoreSettings
from shared.cli.storage_access import Halt, with_database
from shared.cli.transfer_progress import transfer_bar
from shared.clock import system_clock
from shared.fernet_keys import FERNET_KEYS_EXPECTED, FernetKeys
from shared.repository.mongo import Database
from shared.settings import load_settings

log = structlog.get_logger(__name__)


class RestoreSettings(StoreSettings):
    """The key tells what was erased, and whether it is the right one; the address whether the media-server runs."""

    credentials_encryption_key: FernetKeys | None = Field(default=None, description=FERNET_KEYS_EXPECTED)
    media_server_url: str = Field(default="http://127.0.0.1:8081", description="the address of the media-server")


def restore(
    folder: Folder,
    check: Annotated[bool, typer.Option("--check", help="Only read all of it and say whether it is whole.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also if database and storage folder are not empty: documents go first.")
    ] = False,
    without_damaged: Annotated[
        bool, typer.Option("--without-damaged", help="Leave out files that are damaged in the backup.")
    ] = False,
    stopped: Annotated[
        bool, typer.Option("--stopped", help="With --replace: all services are stopped, if RabbitMQ cannot tell.")
    ] = False,
    bring_back_erased: Annotated[
        bool, typer.Option("--bring-back-erased", help="With --replace: also if what was erased comes back by it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --replace: do not ask.")] = False,
) -> None:
    """Put a backup back: files, then documents. First every byte of it is verified.

    Ingestor, previewer and media-server must be stopped; the gateway may go on. A restore that was cut off goes on when
    the same command is given again.
    """
    if replace and not (check or yes or sys.stdin.isatty()):
        raise typer.BadParameter("nobody can be asked here; say --yes if all documents that are there may go")
    settings = load_settings(RestoreSettings)
    log_to_stderr(settings)
    with explained():
        place = named(folder).resolve()
        found = manifest.read(place)
        with locked(place, alone=False):
            if check:
                _verified(place, found, without_damaged=False)
                show_manifest(found, "Verified")
                typer.echo(f"Every byte is as it was saved on {found.started_at:%Y-%m-%d %H:%M:%S} UTC.")
                return
            _nobody_works(settings, must_know=replace and not stopped)
            work = _Work(
                settings,
                place,
                found,
                replace=replace,
                bring_back_erased=bring_back_erased,
                without_damaged=without_damaged,
            )
            goes_on = with_database(settings, work.checked)
            _verified(place, found, without_damaged=without_damaged)
            if replace and not yes and not goes_on:
                typer.confirm("Remove all documents that are in the database, and restore these?", abort=True)
            restored = with_database(settings, work.done)
    show_restored(restored, found)
    if restored.kept_out:
        raise typer.Exit(1)


class _Work:
    """One restore, in two steps."""

    def __init__(
        self,
        settings: RestoreSettings,
        folder: Path,
        found: Manifest,
        *,
        replace: bool,
        bring_back_erased: bool,
        without_damaged: bool,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._manifest = found
        self._replace = replace
        self._bring_back_erased = bring_back_erased
        self._without_damaged = without_damaged

    async def checked(self, database: Database) -> bool:
        """Whether it goes on with one that was cut off. Raises `BackupError` when it cannot be done here."""
        try:
            return await self._restore(database).check_place(
                replace=self._replace, bring_back_erased=self._bring_back_erased
            )
        except BringsBack as error:
            raise BackupError(
                f"{error}. Nothing was changed. Set CREDENTIALS_ENCRYPTION_KEY as the services have it (new,old), or "
                "restore into an empty database and erase again; --bring-back-erased does it all the same"
            ) from error
        except NotEmpty as error:
            raise BackupError(
                f"{error}. Nothing was changed. Give an empty database and folder (MONGODB_DATABASE, STORAGE_URL), or "
                "say --replace: all documents that are there go, and files that are not in the backup stay until "
                "storage prune"
            ) from error

    async def done(self, database: Database) -> Restored:
        """All of it."""
        self._tell_about_key()
        work, halt = self._restore(database), Halt()
        with transfer_bar() as progress:
            files = progress.add_task("Files", total=self._manifest.files.size_bytes, bytes=True)
            documents = progress.add_task("Documents", total=self._manifest.documents)
            restored = await work.restored(
                replace=self._replace,
                bring_back_erased=self._bring_back_erased,
                without_damaged=self._without_damaged,
                on_documents=lambda count: progress.advance(documents, count),
                on_bytes=lambda count: progress.advance(files, count),
                between=halt.here,
            )
        log.info(
            "restore.finished",
            backup=self._manifest.id,
            documents=restored.documents,
            files=restored.files.files,
            bytes=restored.files.size_bytes,
            leftOut=restored.files.left_out,
            erased=restored.erased,
            keptOut=restored.kept_out,
        )
        return restored

    def _restore(self, database: Database) -> Restore:
        return Restore(
            database=database,
            folder=self._folder,
            manifest=self._manifest,
            target=Path(self._settings.storage_url),
            clock=system_clock,
            keys=self._settings.credentials_encryption_key,
        )

    def _tell_about_key(self) -> None:
        keys = self._settings.credentials_encryption_key
        if keys is None:
            typer.echo("CREDENTIALS_ENCRYPTION_KEY is not set here, so nobody can say whether it fits.", err=True)
            return
        closed = Seals(keys).closed(self._folder / self._manifest.documents_folder)
        if not closed:
            return
        typer.echo(
            f"CREDENTIALS_ENCRYPTION_KEY does not open {closed} of the saved secrets: the services need the key that "
            "was in use when the backup was made (new,old), or the ingestor takes nothing.",
            err=True,
        )


def _nobody_works(settings: RestoreSettings, *, must_know: bool) -> None:
    try:
        running = asyncio.run(at_work(settings.rabbitmq_url, media_server=settings.media_server_url.rstrip("/")))
    except ReadingFailed as error:
        if must_know:
            raise InUse(
                f"{error}, so nobody can say whether services run; nothing was changed. Start RabbitMQ, or see that "
                "ingestor, previewer and media-server are stopped and say --stopped"
            ) from None
        typer.echo(
            f"{error}, so nobody can say whether services run: see that ingestor, previewer and media-server are "
            "stopped.",
            err=True,
        )
        return
    if running:
        raise InUse(
            f"{' and '.join(running)} at work; nothing was changed. Stop ingestor, previewer and media-server first. "
            "The gateway may go on: what it takes waits in RabbitMQ"
        )


def _verified(folder: Path, found: Manifest, *, without_damaged: bool) -> None:
    try:
        _with_bar(found, lambda on_read, between: verify(folder, found, on_read=on_read, between=between))
    except Damaged as error:
        if error.files and without_damaged:
            typer.echo(f"{error}; they are left out: {', '.join(error.details)}", err=True)
            return
        hint = ". --without-damaged restores all the others" if error.files else ""
        raise Damaged(f"{error}. Nothing was changed{hint}", details=error.details, files=error.files) from error


def _with_bar(found: Manifest, work: Callable[[Read, Callable[[], None]], None]) -> None:
    async def watched() -> None:
        halt = Halt()
        with transfer_bar() as progress:
            bar = progress.add_task("Verifying", total=found.size_bytes, bytes=True)
            await asyncio.to_thread(work, lambda count: progress.advance(bar, count), halt.here)

    asyncio.run(watched())
