"""`attache erase`: what belongs to a conversation, a person, an attachment or a message goes for good."""

import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer

from shared.broker.letter import Letter
from shared.broker.letters import BeingRead, ReadingFailed
from shared.cli.erase_report import Planned, show_erased, show_plan, show_unknown
from shared.cli.letters import why
from shared.cli.pipeline import Pipeline, with_pipeline
from shared.cli.progress import progress_bar
from shared.cli.settings import ErasureSettings
from shared.cli.storage_access import opened_store
from shared.clock import system_clock
from shared.erase import Eraser
from shared.erased_letters import Swept, sweep
from shared.events import MessageRevoked
from shared.release import Release
from shared.repository.erased_names import covering_event, of_request
from shared.repository.erasure import ErasureRepository, Target
from shared.repository.tombstones import Tombstones, TombstonesSealed
from shared.settings import load_settings

T = TypeVar("T")

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
    unknown = _run(lambda pipeline: _unknown(pipeline, settings, asked, target, keep_out=yes and not dry_run))
    if unknown is not None:
        show_unknown(unknown, kept_out=yes and not dry_run)
        raise typer.Exit(1)
    if dry_run or not yes:
        show_plan(_run(lambda pipeline: _plan(pipeline, settings, target)))
    if dry_run:
        return
    if not yes:
        typer.confirm("Erase this for good?", abort=True)
    if not _run(lambda pipeline: _carry_out(pipeline, settings, asked, target)):
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
    except (BeingRead, ReadingFailed, TombstonesSealed) as error:
        typer.echo(f"Nothing was erased. {why(error)}", err=True)
    raise typer.Exit(1)


async def _plan(pipeline: Pipeline, settings: ErasureSettings, target: Target) -> Planned:
    erasure = ErasureRepository(pipeline.database)

    async def would_go(letter: Letter) -> bool:
        names, _ = covering_event(letter.event)
        if not set(names).isdisjoint(target.names):
            return True
        if isinstance(letter.event, MessageRevoked):
            return await erasure.has_all_of(target, letter.event)
        return letter.media_id is not None and await erasure.has(target, letter.media_id)

    return Planned(
        documents=await erasure.count(target),
        files=await erasure.files(target),
        letters=await sweep(settings.rabbitmq_url, is_erased=would_go, mentions=target.mentions, remove=False),
    )


async def _target(pipeline: Pipeline, settings: ErasureSettings, asked: Asked) -> Target | None:
    """None when nothing of it is here, nor was."""
    erasure = ErasureRepository(pipeline.database)
    found = await _found(erasure, asked)
    if found is None:
        tombstones = _tombstones(pipeline, settings)
        if await tombstones.cover_any([of_request(asked.kind, asked.value)]):
            return erasure.again(asked.kind, asked.value)
    return found


async def _found(erasure: ErasureRepository, asked: Asked) -> Target | None:
    if asked.kind == "sender":
        is_user = _USER_ID.fullmatch(asked.value) is not None
        return await erasure.sender(**({"user_id": asked.value} if is_user else {"phone": asked.value}))
    find = erasure.conversation if asked.kind == "conversation" else erasure.attachment
    return await find(asked.value)


async def _unknown(
    pipeline: Pipeline, settings: ErasureSettings, asked: Asked, target: Target, *, keep_out: bool
) -> Swept | None:
    """What lies parked when nothing of a sender is stored, nor was erased before; else None.

    It may be mistyped, and may be a person whose webhooks are still on their way: only a clear yes keeps these out.
    """
    if asked.kind != "sender" or await ErasureRepository(pipeline.database).has_any(target):
        return None
    tombstones, request = _tombstones(pipeline, settings), of_request(asked.kind, asked.value)
    if await tombstones.cover_any([request]):
        return None
    letters = (await _plan(pipeline, settings, target)).letters
    if letters.removed:
        return None
    if keep_out:
        # but for the request itself: nothing was erased, so asking again may be a mistake again
        names = [name for name in target.names if name != request]
        await tombstones.lay(names, before=system_clock().replace(microsecond=0))
    return letters


def _tombstones(pipeline: Pipeline, settings: ErasureSettings) -> Tombstones:
    return Tombstones(pipeline.database, settings.credentials_encryption_key)


async def _carry_out(pipeline: Pipeline, settings: ErasureSettings, asked: Asked, target: Target) -> bool:
    """`target`: as it was shown; what it has become since goes as well."""
    erasure = ErasureRepository(pipeline.database)
    tombstones = _tombstones(pipeline, settings)
    promised = await pipeline.database["blobs"].estimated_document_count()
    store = opened_store(settings, promised=promised)
    eraser = Eraser(
        database=pipeline.database,
        tombstones=tombstones,
        release=Release(database=pipeline.database, store=store, clock=system_clock),
        publisher=pipeline.publisher,
        clock=system_clock,
    )
    mentions = set(target.mentions)

    async def again() -> Target | None:
        found = await _found(erasure, asked)
        mentions.update(found.mentions if found is not None else ())
        return found

    with progress_bar() as progress:
        bar = progress.add_task("Erasing", total=await erasure.count(target))
        erased = await eraser.erase(target, again=again, on_document=lambda: progress.advance(bar))

    async def is_erased(letter: Letter) -> bool:
        names, sent_at = covering_event(letter.event)
        return await tombstones.cover_any(names, sent_at=sent_at)

    letters: Swept | None = None
    try:
        letters = await sweep(settings.rabbitmq_url, is_erased=is_erased, mentions=mentions)
    except (BeingRead, ReadingFailed) as error:
        typer.echo(
            f"Documents and files are gone, but not all dead letters were looked through: {error}. "
            "The same command goes on.",
            err=True,
        )
    show_erased(erased, letters)
    if erased.files_left:
        typer.echo("Some files could not be deleted now; a running ingestor does it by itself in 5 minutes.", err=True)
    return letters is not None and not erased.files_left
