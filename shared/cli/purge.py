"""`attache dlq purge`: dead letters are removed for good."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer
from pydantic import SecretStr

from shared.broker.letters import reading
from shared.broker.topology import WorkQueue
from shared.cli.letters import Queue, none_of, told
from shared.cli.logs import log_to_stderr
from shared.cli.progress import progress_bar
from shared.cli.settings import BrokerSettings, PipelineSettings
from shared.clock import system_clock
from shared.dead_letters.fates import Fates
from shared.dead_letters.purge import purge as purged
from shared.dead_letters.selection import Selection
from shared.repository.mongo import connect
from shared.settings import load_settings

_LATE = " whose attachment is past its deadline"


def purge(
    queue: Queue,
    letter: Annotated[
        str | None, typer.Option("--id", help="Only this one: its own id, our id of its attachment, or the wamid.")
    ] = None,
    expired: Annotated[
        bool, typer.Option("--expired", help="Only those whose attachment is past its deadline; all others stay.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove dead letters for good. On a terminal it asks first. Documents of attachments stay as they are."""
    settings = load_settings(PipelineSettings if expired else BrokerSettings)
    log_to_stderr(settings)
    late = _LATE if expired else ""
    if not yes and sys.stdin.isatty():
        there = told(lambda: _count(settings.rabbitmq_url, queue))
        of = f"those of the {there} dead letters" if expired else f"all {there} dead letters"
        what = f"the letter {letter}" if letter else of
        typer.confirm(f"Remove {what} of {queue.name}{late} for good?", abort=True)
    selection = Selection(queue=queue, id=letter)
    with progress_bar() as progress:
        bar = progress.add_task("Removing")

        def show(done: int, of: int) -> None:
            progress.update(bar, completed=done, total=of)

        if isinstance(settings, PipelineSettings):
            removed = told(lambda: _purged_of_expired(settings, selection, show))
        else:
            removed = told(lambda: purged(settings.rabbitmq_url, selection, progress=show))
    if not removed:
        typer.echo(f"There is no dead letter {letter} of {queue.name}{late}." if letter else none_of(queue, late))
        raise typer.Exit(1 if letter else 0)
    after = "; ask for the media to be sent again" if expired else "; make retry-failed tries what failed again"
    typer.echo(f"Removed {removed} of {queue.name}{late}. Documents stay as they are{after}.")


async def _purged_of_expired(
    settings: PipelineSettings, selection: Selection, progress: Callable[[int, int], None]
) -> int:
    client = connect(settings.mongodb_uri)
    try:
        fates = Fates(client[settings.mongodb_database], is_erased=None, clock=system_clock)
        return await purged(settings.rabbitmq_url, selection, expired_by=fates, progress=progress)
    finally:
        client.close()


async def _count(url: SecretStr, queue: WorkQueue) -> int:
    async with reading(url, queue) as reader:
        return reader.total
