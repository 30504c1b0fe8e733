"""`attache previews rebuild`: after an upgrade, the previews of what came before it."""

import asyncio
import signal
from typing import Annotated

import structlog
import typer

from shared.cli.named import named_kinds, named_numbers
from shared.cli.pipeline import Pipeline, with_pipeline
from shared.cli.previews_report import RebuildPlan, show_outcomes, show_plan
from shared.cli.progress import progress_bar
from shared.clock import system_clock
from shared.media import MediaKind
from shared.rebuild import Outcome, Rebuild
from shared.repository.blobs import BlobRepository
from shared.repository.messages import MessageRepository
from shared.repository.previewed import Previewed, Wanted
from shared.repository.refusals import Refusals
from shared.retrying import Retrying

log = structlog.get_logger(__name__)

app = typer.Typer(no_args_is_help=True, help="The previews: are they those that today's recipes make?")


@app.callback()
def previews() -> None:
    """Keeps `rebuild` a command of its own, as long as it is the only one."""


@app.command()
def rebuild(
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help=f"Only of this kind: {', '.join(MediaKind)}. Repeatable.")
    ] = None,
    number: Annotated[list[str] | None, typer.Option(help="Only of this phone number id. Repeatable.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Also those whose preview failed, and files that took decoders down.")
    ] = False,
    at_once: Annotated[
        int, typer.Option(min=1, max=100, help="Files in the previewer's queue at any time; new ones wait behind them.")
    ] = 4,
    apply: Annotated[bool, typer.Option("--apply", help="Rebuild them. Otherwise they are only shown.")] = False,
) -> None:
    """Make the previews anew that older recipes made, or did not make yet. First it is shown which these are.

    Until the new ones are there the old ones are shown. Ctrl-C stops; the same command goes on with the rest.
    """
    wanted = Wanted(kinds=named_kinds(kind or []), numbers=named_numbers(number or []), failed=failed)
    plan = with_pipeline(lambda pipeline: _planned(pipeline, wanted))
    show_plan(plan, applied=apply)
    if not apply or not plan.attachments:
        return
    counts, stopped, in_trouble = with_pipeline(
        lambda pipeline: _applied(pipeline, wanted, at_once=at_once, total=plan.attachments.total())
    )
    if in_trouble:
        typer.echo(
            "Stopped by itself: too many came to nothing, one after another. It may be the previewer rather than the "
            "files: look into its log for preview.failed, and run attache doctor. Then --failed tries these again.",
            err=True,
        )
    elif stopped:
        typer.echo("Stopped; nothing is lost. The same command goes on with the rest.", err=True)
    if stopped or not counts.get(Outcome.REBUILT):
        raise typer.Exit(1)


async def _planned(pipeline: Pipeline, wanted: Wanted) -> RebuildPlan:
    plan, previewed = RebuildPlan(), Previewed(pipeline.database)
    with progress_bar() as progress:
        bar = progress.add_task("Looking", total=await previewed.count(wanted))
        async for looked_at, contents in previewed.batches(wanted):
            for content in contents:
                plan.take(content)
            progress.advance(bar, looked_at)
    return plan


async def _applied(
    pipeline: Pipeline, wanted: Wanted, *, at_once: int, total: int
) -> tuple[dict[Outcome, int], bool, bool]:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    with progress_bar() as progress:
        bar = progress.add_task("Rebuilding", total=total)
        rebuilding = Rebuild(
            database=pipeline.database,
            retrying=_retrying(pipeline),
            at_once=at_once,
            progress=lambda count: progress.advance(bar, count),
            stalled=_say_stalled,
            stop=stop,
        )
        try:
            await rebuilding.run(wanted)
        finally:
            progress.stop()
            counts, stopped = dict(rebuilding.counts), stop.is_set()
            show_outcomes(counts, left=max(0, total - rebuilding.tried) if stopped else 0)
            log.info(
                "previews.rebuilt",
                kinds=sorted(wanted.kinds) or "all",
                phoneNumberIds=sorted(wanted.numbers) or "all",
                outcomes={outcome.name.lower(): count for outcome, count in counts.items()},
                stopped=stopped,
            )
    return counts, stopped, rebuilding.in_trouble


def _say_stalled() -> None:
    typer.echo(
        "No preview was finished for a minute. Is the previewer running and ready (its /readyz)? What was set going "
        "waits in its queue; Ctrl-C stops, and nothing is lost.",
        err=True,
    )


def _retrying(pipeline: Pipeline) -> Retrying:
    return Retrying(
        messages=MessageRepository(pipeline.database),
        blobs=BlobRepository(pipeline.database),
        refusals=Refusals(pipeline.database),
        publisher=pipeline.publisher,
        announce=pipeline.announcer.announce,
        clock=system_clock,
    )
