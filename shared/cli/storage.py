"""`attache storage check` and `attache storage prune`: does the store hold what the database says, and nothing else?"""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Annotated

import structlog
import typer
from rich.progress import TaskID

from shared.cli.durations import DURATION, duration
from shared.cli.pipeline import Pipeline, with_pipeline
from shared.cli.progress import progress_bar
from shared.cli.settings import StoreSettings
from shared.cli.storage_access import Halt, ended_well, opened_store, store_settings, with_database
from shared.cli.storage_report import CheckReport, PruneReport
from shared.clock import system_clock
from shared.release import Release
from shared.repository.blob_rows import BlobRows
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database
from shared.repository.references import References
from shared.storage_check.census import Census
from shared.storage_check.check import Check, Part
from shared.storage_check.findings import Advance, Finding
from shared.storage_check.prune import Prune
from shared.storage_check.repair import Repair

log = structlog.get_logger(__name__)

app = typer.Typer(no_args_is_help=True, help="The stored files: are they what the database says?")

_SAMPLE = 100
_REPAIRED_AT_ONCE = 2_000  # findings held to be sorted by deadline


@app.command()
def check(
    sample: Annotated[
        int | None,
        typer.Option(min=0, help=f"Read the bytes of this many originals, drawn at random (default {_SAMPLE})."),
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="Read the bytes of all originals; takes long.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what can be.")] = False,
) -> None:
    """Compare the store with the database, in both directions. Exit code 1 and a list when something is wrong."""
    if whole and sample is not None:
        raise typer.BadParameter("give either --all or --sample", param_hint="--all")
    settings = store_settings()
    size = None if whole else _SAMPLE if sample is None else sample
    with ended_well():
        if repair:
            report = with_pipeline(lambda pipeline: _checked(pipeline.database, settings, sample=size, using=pipeline))
        else:
            report = with_database(settings, lambda database: _checked(database, settings, sample=size))
    typer.echo(report.conclusion)
    if not report.is_fine:
        raise typer.Exit(1)


@app.command()
def prune(
    older_than: Annotated[
        timedelta, typer.Option(parser=duration, metavar=DURATION, help="Only what nobody has used for this long.")
    ] = "30d",  # type: ignore[assignment]  # typer parses defaults, too
    apply: Annotated[bool, typer.Option("--apply", help="Remove them. Otherwise they are only shown.")] = False,
) -> None:
    """Remove stored files that no attachment refers to; without --apply only show them."""
    settings = store_settings()
    with ended_well():
        report = with_database(
            settings, lambda database: _pruned(database, settings, older_than=older_than, apply=apply)
        )
    typer.echo(report.conclusion)


async def _checked(
    database: Database, settings: StoreSettings, *, sample: int | None, using: Pipeline | None = None
) -> CheckReport:
    store = opened_store(settings, promised=await References(database).count())
    # not a secret: which files are read must only be another choice each time
    check = Check(database=database, store=store, clock=system_clock, sample=sample, random=Random())  # noqa: S311
    repair = None
    if using is not None:
        repair = Repair(
            files=check.promised,
            messages=MessageRepository(database),
            references=check.references,
            rows=check.rows,
            release=Release(database=database, store=store, clock=system_clock),
            store=store,
            publisher=using.publisher,
            announcer=using.announcer,
            clock=system_clock,
        )
    halt, report = Halt(), CheckReport()
    try:
        with progress_bar() as progress:
            for part in await check.parts():
                bar = progress.add_task(part.title, total=part.total)

                def advance(bar: TaskID = bar) -> None:
                    halt.here()
                    progress.advance(bar)

                await _looked_at(part, advance, repair=repair, halt=halt, report=report)
                report.looked_at[part.title] = int(progress.tasks[bar].completed)
        report.looked_at |= {"Files in all": check.stored.files, "Digests": check.stored.digests}
    finally:
        report.show()
    return report


async def _looked_at(part: Part, advance: Advance, *, repair: Repair | None, halt: Halt, report: CheckReport) -> None:
    """What is found is told at once, or repaired: nearest deadline first, as far as can be held."""
    held: list[Finding] = []

    async def flush(using: Repair) -> None:
        for finding in sorted(held, key=_deadline):
            halt.here()
            report.take(finding, now=system_clock(), outcome=await using.repair(finding))
        held.clear()

    async for finding in part.check(advance):
        if repair is None:
            report.take(finding, now=system_clock())
            continue
        held.append(finding)
        if len(held) == _REPAIRED_AT_ONCE:
            await flush(repair)
    if repair is not None:
        await flush(repair)


def _deadline(finding: Finding) -> datetime:
    deadline = finding.attachment.media.deadline if finding.attachment is not None else None
    return deadline or datetime.max.replace(tzinfo=UTC)


async def _pruned(database: Database, settings: StoreSettings, *, older_than: timedelta, apply: bool) -> PruneReport:
    references, rows = References(database), BlobRows(database)
    store = opened_store(settings, promised=await references.count())
    prune = Prune(
        references=references,
        rows=rows,
        census=Census(references=references, rows=rows, store=store),
        release=Release(database=database, store=store, clock=system_clock),
        store=store,
        clock=system_clock,
        older_than=older_than,
    )
    halt, report = Halt(), PruneReport(applied=apply)
    try:
        with progress_bar() as progress:
            # nobody knows how many files there are; how many rows have a file is about as near as it gets
            totals = (await prune.rows(), await rows.count())
            for title, found, total in zip(("Rows", "Files"), (prune.contents, prune.orphans), totals, strict=True):
                bar = progress.add_task(title, total=total)

                def advance(bar: TaskID = bar) -> None:
                    halt.here()
                    progress.advance(bar)

                async for unneeded in found(advance):
                    report.take(unneeded, removed=apply and await prune.remove(unneeded))
                progress.update(bar, completed=total)
    finally:
        report.show()
        if apply:
            log.info("storage.pruned", files=report.removed_files, bytes=report.removed_bytes)
    return report
