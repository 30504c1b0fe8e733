"""`attache retry` and `attache retry-failed`: another try for what failed or was skipped, read from the database."""

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.cli.durations import DURATION, duration
from shared.cli.pipeline import Pipeline, with_pipeline
from shared.cli.progress import progress_bar
from shared.clock import system_clock
from shared.errors import ErrorCode
from shared.media import Attachment, MediaStatus
from shared.repository.blobs import BlobRepository
from shared.repository.failed import Candidates, FailedFilter, FailedMedia
from shared.repository.messages import MessageRepository
from shared.repository.mongo import DatabaseError
from shared.repository.refusals import Refusals
from shared.retrying import Contended, NothingToRetry, Retrying

_AT_ONCE = 20


class Outcome(StrEnum):
    """What became of one; the text stands in the table."""

    GOES_AGAIN = "go again"
    EXPIRED = "past their deadline, left (one more attempt each: make retry ID=…)"
    MOVED_ON = "moved on or erased in the meantime"
    CHANGING = "changing at this moment, left"
    UNREADABLE = "broken by hand in the database, left"
    STOPPED = "left, as you stopped"


def retry(media: Annotated[str, typer.Argument(metavar="ID", help="Our id (m…) or the wamid.")]) -> None:
    """Try one attachment again now: one that failed, was skipped or waits. Past its deadline one attempt is made."""
    if not media.strip():
        raise typer.BadParameter("say which one: our id (m…) or the wamid", param_hint="ID")

    async def work(pipeline: Pipeline) -> bool:
        ids = await FailedMedia(pipeline.database).ids_of(media.strip())
        if not ids:
            typer.echo("No attachment has this id or wamid. It was never announced here, or was erased.", err=True)
        # every one is tried, also after one that could not be
        return any([await _tried_and_told(pipeline, media_id) for media_id in ids])

    if not with_pipeline(work):
        raise typer.Exit(1)


def retry_failed(
    code: Annotated[ErrorCode | None, typer.Option(metavar="CODE", help="Only what failed for this reason.")] = None,
    number: Annotated[str | None, typer.Option(help="Only of this phone number id.")] = None,
    since: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar=DURATION, help="Only what failed this recently, such as 12h."),
    ] = None,
) -> None:
    """Try again all that failed, nearest deadline first. --code media_too_large: what was skipped for its size."""
    now = system_clock()
    wanted = FailedFilter(code=code, phone_number_id=number, since=None if since is None else now - since)

    async def work(pipeline: Pipeline) -> Counter[Outcome]:
        found = await FailedMedia(pipeline.database).candidates(wanted, now=now)
        counts = Counter({Outcome.EXPIRED: found.expired})
        try:
            await _retry_all(pipeline, found, counts)
        finally:
            _show(counts)
        return counts

    counts = with_pipeline(work)
    if counts[Outcome.STOPPED]:
        typer.echo("Stopped; nothing is lost. The same command goes on with the rest.", err=True)
    if counts[Outcome.STOPPED] or (counts.total() and not counts[Outcome.GOES_AGAIN]):
        raise typer.Exit(1)


async def _retry_all(pipeline: Pipeline, found: Candidates, counts: Counter[Outcome]) -> None:
    """Several at once, in the given order, counting each. Ctrl-C lets those in hand end."""
    retrying, remaining = _retrying(pipeline), iter(found.ids)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopping.set)
    with progress_bar() as progress:
        bar = progress.add_task("Trying again", total=len(found.ids))

        async def take() -> None:
            while not stopping.is_set() and (media_id := next(remaining, None)) is not None:
                try:
                    counts[await _tried(retrying, media_id)] += 1
                except DatabaseError:
                    stopping.set()  # the others would wait for it one after another
                    raise
                progress.advance(bar)

        ended = await asyncio.gather(*(take() for _ in range(_AT_ONCE)), return_exceptions=True)
    counts[Outcome.STOPPED] = sum(1 for _ in remaining)
    for failure in ended:
        if isinstance(failure, BaseException):
            raise failure


async def _tried(retrying: Retrying, media_id: str, *, ask_now: bool = False) -> Outcome:
    try:
        return Outcome.MOVED_ON if await retrying.retry(media_id, ask_now=ask_now) is None else Outcome.GOES_AGAIN
    except NothingToRetry:
        return Outcome.MOVED_ON
    except Contended:
        return Outcome.CHANGING
    except ValueError:
        return Outcome.UNREADABLE


async def _tried_and_told(pipeline: Pipeline, media_id: str) -> bool:
    """Whether it goes again; says so, or why not."""
    outcome = await _tried(_retrying(pipeline), media_id, ask_now=True)
    if outcome is Outcome.UNREADABLE:
        typer.echo(f"{media_id}: somebody has broken its document by hand; correct it in the database.", err=True)
        return False
    current = await MessageRepository(pipeline.database).get(media_id)
    if current is None:
        typer.echo(f"{media_id} was erased in this moment.", err=True)
        return False
    if outcome is not Outcome.GOES_AGAIN:
        typer.echo(f"{media_id} is {current.media.status}: {_why_not(current, outcome)}", err=True)
        return False
    typer.echo(f"{media_id} goes again: {current.kind} of number {current.phone_number_id}, {_until(current)}.")
    return True


def _why_not(current: Attachment, outcome: Outcome) -> str:
    if outcome is Outcome.CHANGING:
        return "it is changing at this moment; look again in a minute."
    if current.media.status is MediaStatus.READY:
        return "there is nothing to retry."
    return "an attempt is under way or queued already; look again in a minute."


def _until(current: Attachment) -> str:
    deadline = current.media.deadline
    if deadline is None:
        return "it has no deadline"
    if deadline <= system_clock():
        return f"past its deadline ({deadline:%Y-%m-%d %H:%M} UTC), so one attempt is made"
    return f"attempts are made until {deadline:%Y-%m-%d %H:%M} UTC"


def _retrying(pipeline: Pipeline) -> Retrying:
    return Retrying(
        messages=MessageRepository(pipeline.database),
        blobs=BlobRepository(pipeline.database),
        refusals=Refusals(pipeline.database),
        publisher=pipeline.publisher,
        announce=pipeline.announcer.announce,
        clock=system_clock,
    )


def _show(counts: Counter[Outcome]) -> None:
    rows: Sequence[tuple[Outcome, int]] = [(outcome, counts[outcome]) for outcome in Outcome if counts[outcome]]
    if not rows:
        typer.echo("Nothing that failed fits: there is nothing to retry.")
        return
    table = Table("attachments", "what became of them", title="Retry of what failed")
    for outcome, count in rows:
        table.add_row(str(count), outcome.value)
    Console().print(table)
