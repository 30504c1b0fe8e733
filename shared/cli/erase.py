"""`attache erase`: what belongs to a conversation, a person, an attachment or a message goes for good."""

import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from shared.broker.letter import Letter
from shared.broker.letters import BeingRead, ReadingFailed
from shared.cli.pipeline import Pipeline, with_pipeline
from shared.cli.settings import ErasureSettings
from shared.cli.storage_access import opened_store
from shared.clock import system_clock
from shared.erase import Erased, Eraser
from shared.erased_letters import Suspect, Swept, sweep
from shared.release import Release
from shared.repository.erased_names import covering_event, of_request
from shared.repository.erasure import ErasureRepository, Files, Target
from shared.repository.tombstones import Tombstones, TombstonesSealed
from shared.settings import load_settings

T = TypeVar("T")

_MOST_SHOWN = 20
_USER_ID = re.compile(r"[A-Z]{2}\.\S+")
_PHONE = re.compile(r"\+?[\d\s().-]+")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody wants erased."""

    kind: str
    value: str

    @property
    def shown(self) -> str:
        """For people. The value is not repeated: it may be a phone number, and output is kept in places."""
        return {"conversation": "this conversation", "sender": "this sender", "id": "this id"}[self.kind]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What would go."""

    documents: int
    files: Files
    letters: Swept


def erase(
    conversation: Annotated[str | None, typer.Option(help="A conversation, by its id (c…).")] = None,
    sender: Annotated[
        str | None,
        typer.Option(help="A person on all numbers: a phone number with its country code, or a user id (XX.…)."),
    ] = None,
    media: Annotated[
        str | None, typer.Option("--id", help="An attachment by our id (m…), or all of a message by its wamid.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase for good: documents, files, dead letters. Late webhooks and replays bring nothing of it back.

    What the same person sends from now on is taken as usual.
    """
    asked = _asked(conversation=conversation, sender=sender, media=media)
    if not (dry_run or yes or sys.stdin.isatty()):
        raise typer.BadParameter("nobody can be asked here; say --yes, or --dry-run to only see what would go")
    settings = load_settings(ErasureSettings)
    target = _run(lambda pipeline: _target(pipeline, settings, asked))
    if target is None:
        typer.echo(
            f"There is nothing of {asked.shown} here, and nothing was erased. Is it complete? "
            "The operator's list (GET /api/conversations, GET /api/messages) shows every id.",
            err=True,
        )
        raise typer.Exit(1)
    if dry_run or not yes:
        _show_plan(_run(lambda pipeline: _plan(pipeline, settings, target)))
    if dry_run:
        return
    if not yes:
        typer.confirm("Erase this for good?", abort=True)
    if not _run(lambda pipeline: _carry_out(pipeline, settings, target)):
        raise typer.Exit(1)


def _asked(*, conversation: str | None, sender: str | None, media: str | None) -> Asked:
    given = [
        Asked(kind=kind, value=value.strip())
        for kind, value in (("conversation", conversation), ("sender", sender), ("id", media))
        if value is not None
    ]
    if len(given) != 1 or not given[0].value:
        raise typer.BadParameter("say one of --conversation, --sender and --id, with its value")
    (asked,) = given
    if asked.kind != "sender":
        return asked
    if _USER_ID.fullmatch(asked.value):
        return asked
    if not _PHONE.fullmatch(asked.value):
        raise typer.BadParameter(
            "a sender is a phone number in digits with its country code, or a user id such as US.1234",
            param_hint="--sender",
        )
    return Asked(kind="sender", value=re.sub(r"\D", "", asked.value))


def _run(work: Callable[[Pipeline], Awaitable[T]]) -> T:
    try:
        return with_pipeline(work)
    except (BeingRead, ReadingFailed) as error:
        typer.echo(f"Nothing was erased: {error}", err=True)
    except TombstonesSealed as error:
        typer.echo(f"Nothing was erased: {error}", err=True)
    raise typer.Exit(1)


async def _plan(pipeline: Pipeline, settings: ErasureSettings, target: Target) -> Planned:
    erasure = ErasureRepository(pipeline.database)

    async def would_go(letter: Letter) -> bool:
        names, _ = covering_event(letter.event)
        among = letter.media_id is not None and await erasure.has(target, letter.media_id)
        return among or not set(names).isdisjoint(target.names)

    return Planned(
        documents=await erasure.count(target),
        files=await erasure.files(target),
        letters=await sweep(settings.rabbitmq_url, is_erased=would_go, mentions=target.mentions, remove=False),
    )


async def _target(pipeline: Pipeline, settings: ErasureSettings, asked: Asked) -> Target | None:
    """None when nothing of it is here, nor was."""
    erasure = ErasureRepository(pipeline.database)
    if asked.kind == "sender":
        is_user = _USER_ID.fullmatch(asked.value) is not None
        return await erasure.sender(**({"user_id": asked.value} if is_user else {"phone": asked.value}))
    find = erasure.conversation if asked.kind == "conversation" else erasure.attachment
    found = await find(asked.value)
    if found is None:
        tombstones = Tombstones(pipeline.database, settings.credentials_encryption_key)
        if await tombstones.cover_any([of_request(asked.kind, asked.value)]):
            return erasure.again(asked.kind, asked.value)
    return found


async def _carry_out(pipeline: Pipeline, settings: ErasureSettings, target: Target) -> bool:
    erasure = ErasureRepository(pipeline.database)
    tombstones = Tombstones(pipeline.database, settings.credentials_encryption_key)
    promised = await pipeline.database["blobs"].estimated_document_count()
    store = opened_store(settings, promised=promised)
    eraser = Eraser(
        database=pipeline.database,
        tombstones=tombstones,
        release=Release(database=pipeline.database, store=store, clock=system_clock),
        publisher=pipeline.publisher,
        clock=system_clock,
    )
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Erasing", total=await erasure.count(target))
        erased = await eraser.erase(target, on_document=lambda: progress.advance(bar))

    async def is_erased(letter: Letter) -> bool:
        names, sent_at = covering_event(letter.event)
        return await tombstones.cover_any(names, sent_at=sent_at)

    letters: Swept | None = None
    try:
        letters = await sweep(settings.rabbitmq_url, is_erased=is_erased, mentions=target.mentions)
    except (BeingRead, ReadingFailed) as error:
        typer.echo(
            f"Documents and files are gone, but not all dead letters were looked through: {error}. "
            "The same command goes on.",
            err=True,
        )
    _show(erased, letters)
    if erased.files_left:
        typer.echo("Some files could not be deleted now; a running ingestor does it by itself in 5 minutes.", err=True)
    return letters is not None and not erased.files_left


def _show_plan(planned: Planned) -> None:
    table = Table("how many", "what", title="What would be erased")
    for count, what in (
        (planned.documents, "attachments"),
        (len(planned.files.only), "files, with their previews"),
        (len(planned.files.shared), "files that stay, as attachments of others have the same content"),
        (planned.letters.removed, "dead letters"),
    ):
        table.add_row(str(count), what)
    Console().print(table)
    _show_suspects(planned.letters.suspects)


def _show(erased: Erased, letters: Swept | None) -> None:
    table = Table("how many", "what", title="Erased")
    for count, what in (
        (erased.documents, "attachments"),
        (erased.files, "files, with their previews"),
        (erased.files_shared, "files kept, as attachments of others have the same content"),
        (erased.files_left, "files that could not be deleted now"),
        (erased.conversations, "conversations"),
        (letters.removed if letters else 0, "dead letters"),
    ):
        table.add_row(str(count), what)
    Console().print(table)
    _show_suspects(letters.suspects if letters else [])


def _show_suspects(suspects: list[Suspect]) -> None:
    if not suspects:
        return
    typer.echo(f"{len(suspects)} dead letters are left for you to judge, as others may stand in them too:")
    for suspect in suspects[:_MOST_SHOWN]:
        typer.echo(f"  {suspect.reason}: attache dlq show {suspect.queue} --id {suspect.id}")
        typer.echo(f"    to remove it: attache dlq purge {suspect.queue} --id {suspect.id}")
    if len(suspects) > _MOST_SHOWN:
        typer.echo(f"  and {len(suspects) - _MOST_SHOWN} more; remove these, and give the same command again")
