"""`attache retention`: attachments go by age, kind and number. Only shown, unless somebody says `--apply`."""

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import structlog
import typer

from shared.broker.letter import Letter
from shared.broker.letters import BeingRead, ReadingFailed
from shared.cli.durations import DURATION, duration
from shared.cli.letters import why
from shared.cli.named import named_kinds, named_numbers
from shared.cli.pipeline import Pipeline, with_pipeline
from shared.cli.progress import progress_bar
from shared.cli.retention_clock import ClocksDisagree, compare
from shared.cli.retention_report import RetentionPlan, show_plan, show_removed
from shared.cli.settings import ErasureSettings
from shared.cli.storage_access import Halt, Stopped, opened_store
from shared.clock import system_clock
from shared.erase import Eraser
from shared.erased_letters import sweep
from shared.media import MediaKind
from shared.release import Release
from shared.repository.erased_names import covering_event
from shared.repository.expired import ExpiredMedia, Wanted
from shared.repository.mongo import DatabaseError
from shared.repository.references import References
from shared.repository.tombstones import Tombstones, TombstonesSealed
from shared.retention import Removed, Retention
from shared.settings import load_settings

log = structlog.get_logger(__name__)

T = TypeVar("T")

_SHORTEST = timedelta(days=1)


def retention(
    older_than: Annotated[
        timedelta,
        typer.Option(
            parser=duration, metavar=DURATION, help="Only what was sent, and came, longer ago than this, such as 90d."
        ),
    ],
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help=f"Only of this kind: {', '.join(MediaKind)}. Repeatable.")
    ] = None,
    number: Annotated[list[str] | None, typer.Option(help="Only of this phone number id. Repeatable.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Remove them. Otherwise they are only shown.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove attachments that were sent long ago, for good: documents, files, dead letters. First they are shown.

    What is under way stays, and what Meta still has. Late webhooks and replays bring nothing of it back.
    """
    if older_than < _SHORTEST:
        msg = "less than a day is most likely a slip; say 1d or more (single attachments: attache erase --id)"
        raise typer.BadParameter(msg, param_hint="--older-than")
    kinds, numbers = named_kinds(kind or []), named_numbers(number or [])
    if apply and not yes and not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here; say --yes, or leave out --apply to only see what would go")
    settings = load_settings(ErasureSettings)
    now = system_clock()
    wanted = Wanted(sent_before=now - older_than, now=now, kinds=kinds, numbers=numbers)
    plan = _run(lambda pipeline: _planned(pipeline, wanted))
    show_plan(plan, applied=apply)
    if not apply or not plan.documents:
        return
    if not yes:
        typer.confirm(f"Remove these {plan.documents} attachments for good?", abort=True)
    if not _run(lambda pipeline: _applied(pipeline, settings, wanted, total=plan.documents)):
        raise typer.Exit(1)


def _run(work: Callable[[Pipeline], Awaitable[T]]) -> T:
    try:
        return with_pipeline(work)
    except TombstonesSealed as error:
        typer.echo(f"Nothing more was removed. {why(error)}", err=True)
    except ClocksDisagree as error:
        typer.echo(f"Nothing was removed: {error}.", err=True)
    raise typer.Exit(1)


async def _planned(pipeline: Pipeline, wanted: Wanted) -> RetentionPlan:
    await compare(pipeline.database, wanted.now)
    expired = ExpiredMedia(pipeline.database)
    plan = RetentionPlan(groups=dict(await expired.by_group(wanted)), busy=await expired.busy(wanted))
    async for content in expired.contents(wanted):
        plan.take(content)
    return plan


async def _applied(pipeline: Pipeline, settings: ErasureSettings, wanted: Wanted, *, total: int) -> bool:
    store = opened_store(settings, promised=await References(pipeline.database).count())
    tombstones = Tombstones(pipeline.database, settings.credentials_encryption_key)
    eraser = Eraser(
        database=pipeline.database,
        tombstones=tombstones,
        release=Release(database=pipeline.database, store=store, clock=system_clock),
        publisher=pipeline.publisher,
        clock=system_clock,
    )
    halt, removed, stopped = Halt(), Removed(), False
    try:
        with progress_bar() as progress:
            bar = progress.add_task("Removing", total=total)
            await Retention(database=pipeline.database, eraser=eraser).remove(
                wanted, into=removed, on_document=lambda: progress.advance(bar), between=halt.here
            )
    except Stopped:
        stopped = True
    except DatabaseError:
        show_removed(removed, letters=None)
        raise
    letters = None if stopped else await _swept(settings, tombstones)
    show_removed(removed, letters=letters)
    log.info(
        "retention.applied",
        sentBefore=wanted.sent_before.isoformat(),
        kinds=sorted(wanted.kinds) or "all",
        phoneNumberIds=sorted(wanted.numbers) or "all",
        documents=removed.documents,
        files=removed.files,
        bytes=removed.size_bytes,
        stopped=stopped,
    )
    if stopped:
        typer.echo("Stopped; what was begun is done. The same command goes on with the rest.", err=True)
    if removed.files_left:
        typer.echo("Some files could not be deleted now; a running ingestor does it by itself in 5 minutes.", err=True)
    return letters is not None and not removed.files_left


async def _swept(settings: ErasureSettings, tombstones: Tombstones) -> int | None:
    """How many dead letters of what is gone were removed; None when they could not be looked through."""

    async def is_gone(letter: Letter) -> bool:
        names, sent_at = covering_event(letter.event)
        return await tombstones.cover_any(names, sent_at=sent_at)

    try:
        return (await sweep(settings.rabbitmq_url, is_erased=is_gone, mentions=())).removed
    except (BeingRead, ReadingFailed) as error:
        typer.echo(
            f"Attachments and files are gone, but not all dead letters were looked through: {error}. "
            "The same command goes on.",
            err=True,
        )
        return None
