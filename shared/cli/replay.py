"""`attache dlq replay`: what was given up is worked off once more."""

import asyncio
import signal
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.broker.letters import BeingRead, NoSuchLetters, ReadingFailed
from shared.broker.topology import INGEST, WorkQueue
from shared.cli.durations import DURATION, duration
from shared.cli.letters import QUEUE_HELP, queue, why
from shared.cli.pipeline import Pipeline, with_pipeline
from shared.cli.progress import progress_bar
from shared.cli.settings import CredentialSettings
from shared.clock import system_clock
from shared.dead_letters.replay import SLOWEST_PER_SECOND, Replay, Replayed
from shared.dead_letters.selection import Selection
from shared.errors import ErrorCode, Postponed
from shared.settings import load_settings


def replay(
    of: Annotated[WorkQueue | None, typer.Option("--queue", parser=queue, metavar="QUEUE", help=QUEUE_HELP)] = None,
    code: Annotated[ErrorCode | None, typer.Option(metavar="CODE", help="Only what failed for this reason.")] = None,
    number: Annotated[str | None, typer.Option(help="Only of this phone number id.")] = None,
    letter: Annotated[
        str | None, typer.Option("--id", help="Only this one: its own id, our id of its attachment, or the wamid.")
    ] = None,
    older_than: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar=DURATION, help="Only what failed before that, as 12h.")
    ] = None,
    since: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar=DURATION, help="Only what failed since then, as 12h."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Set so many going at most, oldest first.")] = None,
    per_second: Annotated[
        float | None, typer.Option(min=SLOWEST_PER_SECOND, help="Set no more than so many going each second.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
) -> None:
    """Have dead letters worked off once more, with all their attempts. Ctrl-C stops; the same command goes on.

    Only letters that are there at the start are meant, not those that are given up meanwhile or once more.
    """
    settings, now = load_settings(CredentialSettings), system_clock()
    selection = Selection(
        queue=of,
        code=code.value if code else None,
        phone_number_id=number,
        id=letter,
        since=None if since is None else now - since,
        until=None if older_than is None else now - older_than,
        limit=limit,
    )

    async def work(pipeline: Pipeline) -> tuple[Replayed, bool]:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        with progress_bar() as progress:
            bar = progress.add_task("Replaying", total=None)
            replaying = Replay(
                settings.rabbitmq_url,
                database=pipeline.database,
                keys=settings.credentials_encryption_key,
                announce=pipeline.announcer.announce,
                progress=lambda done, total: progress.update(bar, completed=done, total=total),
                stop=stop,
            )
            if dry_run:
                return await replaying.dry_run(selection), stop.is_set()
            return await replaying.run(selection, per_second=per_second), stop.is_set()

    try:
        result, stopped = with_pipeline(work)
    except (BeingRead, NoSuchLetters, ReadingFailed, Postponed) as error:
        typer.echo(why(error), err=True)
        raise typer.Exit(1) from None
    _show(result, dry_run=dry_run)
    if stopped:
        typer.echo("Stopped; nothing is lost. The same command goes on with the rest.", err=True)
        raise typer.Exit(1)


def _show(result: Replayed, *, dry_run: bool) -> None:
    would = "would " if dry_run else ""
    be = "would be " if dry_run else ""
    table = Table("letters", f"what {would or 'has '}become of them", title="Replay")
    rows = (
        (result.replayed, f"{be}replayed"),
        (result.already_done, f"{be}removed: their attachments went on or were erased meanwhile"),
        (result.expired, f"{would}stay, past their deadline: Meta has deleted the media; ask for it to be sent again"),
        (result.unclear, f"{would}stay: their documents are broken, or changed at this moment; see the log"),
    )
    for count, became in rows:
        if count:
            table.add_row(str(count), became)
    if table.row_count:
        Console().print(table)
    else:
        typer.echo("No dead letter fits: there is nothing to replay.")
    if result.expired:
        typer.echo(
            f"Past the deadline: make dlq-purge QUEUE={INGEST.name} EXPIRED=1 removes these letters and no others; "
            "make retry ID=… tries one all the same."
        )
    if table.row_count:
        typer.echo(f"{result.remaining} {'would remain' if dry_run else 'remain'} in the queues looked at.")
