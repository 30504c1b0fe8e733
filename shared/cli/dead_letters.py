"""`attache dlq`: what was given up and why, worked off once more or removed. Looking changes nothing."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from shared.broker.letter import Letter
from shared.broker.letter_walk import MARK
from shared.broker.letters import BeingRead, NoSuchLetters, Verdict, reading
from shared.broker.topology import WorkQueue
from shared.cli.letters import LetterSettings, Queue, told, why
from shared.cli.replay import replay
from shared.cli.settings import BrokerSettings
from shared.clock import system_clock
from shared.dead_letters.fates import Fates
from shared.dead_letters.overview import Overview, overview
from shared.dead_letters.purge import purge as purged
from shared.dead_letters.queues import QUEUES
from shared.dead_letters.selection import Selection
from shared.errors import Postponed
from shared.repository.mongo import DatabaseError, connect
from shared.repository.tombstones import Tombstones
from shared.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Dead letters: what was given up and why; replay or remove it.")
app.command("replay")(replay)


@app.command("list")
def list_letters() -> None:
    """Count the dead letters by queue, code and number, with the newest reason. Changes nothing."""
    settings = load_settings(LetterSettings)
    client = connect(settings.mongodb_uri)
    database, keys = client[settings.mongodb_database], settings.credentials_encryption_key
    fates = Fates(database, is_erased=Tombstones(database, keys).cover if keys else None, clock=system_clock)
    try:
        overviews, problems = told(lambda: _overviews(settings.rabbitmq_url, fates))
    finally:
        client.close()
    table = Table("queue", "code", "number", "letters", "first", "last", "reason of the newest", title="Dead letters")
    for group in (group for each in overviews for group in each.groups):
        row = (group.code or "not known yet", group.phone_number_id or "", str(group.count))
        table.add_row(group.queue.name, *row, _time(group.first), _time(group.last), group.reason or "")
    if table.row_count:
        Console().print(table)
    elif overviews:
        typer.echo("There are no dead letters.")
    if settled := sum(each.settled for each in overviews):
        typer.echo(
            f"Not counted: {settled} whose attachments went on or were erased meanwhile; make dlq-replay removes them."
        )
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)


@app.command()
def show(
    queue: Queue,
    limit: Annotated[int, typer.Option(min=1, help="How many letters, oldest first.")] = 10,
    letter: Annotated[
        str | None, typer.Option("--id", help="Only this one: its own id, our id of its attachment, or the wamid.")
    ] = None,
) -> None:
    """Print the headers and the raw bodies of a queue's dead letters. They hold personal data."""
    selection = Selection(queue=queue, id=letter)
    shown = told(lambda: _shown(load_settings(BrokerSettings).rabbitmq_url, queue, selection, limit))
    if not shown:
        typer.echo(f"There is no dead letter {letter} of {queue.name}." if letter else _none(queue))
        raise typer.Exit(1 if letter else 0)
    if shown > limit:
        typer.echo(f"{shown - limit} more are not shown; --limit shows more.")


@app.command()
def purge(
    queue: Queue,
    letter: Annotated[
        str | None, typer.Option("--id", help="Only this one: its own id, our id of its attachment, or the wamid.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove dead letters for good. On a terminal it asks first. Documents of attachments stay as they are."""
    url = load_settings(BrokerSettings).rabbitmq_url
    if not yes and sys.stdin.isatty():
        what = f"the letter {letter}" if letter else f"all {told(lambda: _count(url, queue))} dead letters"
        typer.confirm(f"Remove {what} of {queue.name} for good?", abort=True)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Removing")
        removed = told(
            lambda: purged(
                url,
                Selection(queue=queue, id=letter),
                progress=lambda done, of: progress.update(bar, completed=done, total=of),
            )
        )
    if removed:
        typer.echo(
            f"Removed {removed} of {queue.name}. Documents stay as they are; make retry-failed tries what failed again."
        )
    else:
        typer.echo(f"There is no dead letter {letter} of {queue.name}." if letter else _none(queue))
        raise typer.Exit(1 if letter else 0)


async def _overviews(url: SecretStr, fates: Fates) -> tuple[Sequence[Overview], Sequence[str]]:
    """Of every queue that can be read, and what is to be said of the others."""
    overviews: list[Overview] = []
    problems: list[str] = []
    missing: list[NoSuchLetters] = []
    judge: Fates | None = fates
    for queue in QUEUES.values():
        try:
            try:
                overviews.append(await overview(url, queue, fates=judge))
            except (DatabaseError, Postponed) as error:
                reason = str(error) if isinstance(error, Postponed) else "MongoDB does not answer"
                problems.append(f"{reason}: letters whose attachments went on or were erased are counted too.")
                judge = None  # the counts are worth having in an outage
                overviews.append(await overview(url, queue, fates=None))
        except BeingRead as error:
            problems.append(why(error))
        except NoSuchLetters as error:
            missing.append(error)
    if len(missing) == len(QUEUES):
        problems = ["The queues are not there yet: no service of Attache has been started on this RabbitMQ."]
    return overviews, problems


async def _shown(url: SecretStr, queue: WorkQueue, selection: Selection, limit: int) -> int:
    """How many there are; the first ones are printed as they come, so that none is kept in memory."""
    there = 0

    async def look(letters: Sequence[Letter]) -> Sequence[Verdict]:
        nonlocal there
        for letter in filter(selection.has, letters):
            there += 1
            if there <= limit:
                _print(letter, number=there, total=reader.total)
        return [Verdict.KEEP] * len(letters)

    async with reading(url, queue) as reader:
        await reader.walk(look)
    return there


async def _count(url: SecretStr, queue: WorkQueue) -> int:
    async with reading(url, queue) as reader:
        return reader.total


def _print(letter: Letter, *, number: int, total: int) -> None:
    typer.echo(f"--- {number} of {total}  {letter.id}")
    for name in sorted(set(letter.headers) - {MARK}):
        typer.echo(f"{name}: {letter.headers[name]}")
    typer.echo(f"\n{letter.body.decode('utf-8', 'backslashreplace')}\n")


def _none(queue: WorkQueue) -> str:
    return f"There are no dead letters of {queue.name}."


def _time(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
