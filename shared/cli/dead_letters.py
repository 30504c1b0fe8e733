"""`attache dlq`: what was given up and why, worked off once more or removed. Looking changes nothing."""

from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.broker.letter import Letter
from shared.broker.letter_walk import MARK
from shared.broker.letters import BeingRead, NoSuchLetters, Verdict, reading
from shared.broker.topology import WorkQueue
from shared.cli.letters import LetterSettings, Queue, none_of, told, why
from shared.cli.logs import log_to_stderr
from shared.cli.purge import purge
from shared.cli.replay import replay
from shared.cli.settings import BrokerSettings
from shared.clock import system_clock
from shared.dead_letters.fates import Fates
from shared.dead_letters.overview import Group, Overview, overview
from shared.dead_letters.queues import QUEUES
from shared.dead_letters.selection import Selection
from shared.errors import Postponed
from shared.repository.mongo import DatabaseError, connect
from shared.repository.tombstones import Tombstones
from shared.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Dead letters: what was given up and why; replay or remove it.")
app.command("replay")(replay)
app.command("purge")(purge)


@app.command("list")
def list_letters() -> None:
    """Count the dead letters by queue, code and number, with the newest reason. Changes nothing."""
    settings = load_settings(LetterSettings)
    log_to_stderr(settings)
    client = connect(settings.mongodb_uri)
    database, keys = client[settings.mongodb_database], settings.credentials_encryption_key
    fates = Fates(database, is_erased=Tombstones(database, keys).cover if keys else None, clock=system_clock)
    try:
        overviews, problems = told(lambda: _overviews(settings.rabbitmq_url, fates))
    finally:
        client.close()
    groups = [group for each in overviews for group in each.groups]
    if groups:
        Console().print(_table(groups))
    elif overviews:
        typer.echo("There are no dead letters.")
    if settled := sum(each.settled for each in overviews):
        also = ", and has all that are listed above worked off once more" if groups else ""
        typer.echo(
            f"Not counted: {settled} whose attachments went on or were erased meanwhile. They do no harm; "
            f"make dlq-replay removes them{also}."
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
    settings = load_settings(BrokerSettings)
    log_to_stderr(settings)
    shown = told(lambda: _shown(settings.rabbitmq_url, queue, selection, limit))
    if not shown:
        typer.echo(f"There is no dead letter {letter} of {queue.name}." if letter else none_of(queue))
        raise typer.Exit(1 if letter else 0)
    if shown > limit:
        typer.echo(f"{shown - limit} more are not shown; --limit shows more.")


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


def _print(letter: Letter, *, number: int, total: int) -> None:
    typer.echo(f"--- {number} of {total}  {letter.id}")
    for name in sorted(set(letter.headers) - {MARK}):
        typer.echo(f"{name}: {letter.headers[name]}")
    typer.echo(f"\n{letter.body.decode('utf-8', 'backslashreplace')}\n")


def _table(groups: Sequence[Group]) -> Table:
    """At 80 columns queue, code and number are still whole: they are copied into the next command."""
    table = Table(title="Dead letters", show_lines=True)
    table.add_column("queue, code, number", no_wrap=True)
    table.add_column("letters, times in UTC", no_wrap=True)
    table.add_column("reason of the newest", overflow="fold")
    for group in groups:
        names = [group.queue.name, group.code or "code not known yet", group.phone_number_id]
        times = [f"{name} {at:%Y-%m-%d %H:%M:%S}" for name, at in (("first", group.first), ("last ", group.last)) if at]
        # as texts: a reason may hold what would be markup
        table.add_row(
            Text("\n".join(name for name in names if name)),
            Text("\n".join([str(group.count), *times])),
            Text(group.reason or ""),
        )
    return table
