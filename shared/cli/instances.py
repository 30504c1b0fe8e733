"""`attache instances`, `instance-set` and `instance-delete`: the business numbers and their access tokens."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from shared.cli.instance_updates import tell
from shared.cli.settings import CredentialSettings
from shared.events import InstanceUpdated
from shared.repository.instances import InstanceRepository
from shared.repository.mongo import Database, DatabaseError, connect
from shared.repository.refusals import Refusals
from shared.settings import load_settings

T = TypeVar("T")

_SHORTEST_TOKEN = 16
_KNOWN = "WhatsApp instances"
_TRY_AGAIN = "The ingestors use it from now on, and try again by themselves what failed for want of it."


@dataclass(frozen=True, kw_only=True)
class _Open:
    """The database, as these commands use it."""

    instances: InstanceRepository
    refusals: Refusals


def show() -> None:
    """List the WhatsApp numbers whose media can be fetched, and those that Meta refuses."""

    async def read(opened: _Open) -> tuple[Table, Table]:
        # numbers and codes are copied into the next command: whole, also at 80 columns
        names = Column("name", overflow="fold")
        known = Table(_whole("number id"), names, "default", "version", _whole("token"), "updated", title=_KNOWN)
        async for instance in opened.instances.all():
            known.add_row(
                instance.id,
                Text(instance.display_name),
                "yes" if instance.is_default else "",
                str(instance.version),
                instance.token_hint,
                f"{instance.updated_at:%Y-%m-%d %H:%M} UTC",
            )
        to_do = Column("what to do", overflow="fold")
        refused = Table(_whole("number id"), _whole("code"), "since", to_do, title="Refused by Meta", show_lines=True)
        effective = await opened.instances.effective()
        async for refusal in opened.refusals.all():
            if refusal.shows(effective.version(refusal.phone_number_id)):
                since = f"{refusal.refused_at:%Y-%m-%d %H:%M} UTC"
                refused.add_row(refusal.phone_number_id, refusal.code.value, since, Text(refusal.message))
        return known, refused

    known, refused = _with_instances(load_settings(CredentialSettings), read)
    if known.row_count:
        Console().print(known)
    else:
        typer.echo("There is no WhatsApp instance yet. Add one with: make instance-set NUMBER=<phone number id>")
    if refused.row_count:
        Console().print(refused)


def save(
    number: Annotated[str, typer.Argument(help="The phone number id from Meta's API setup page (digits).")],
    name: Annotated[str | None, typer.Option(help="What operators call it.")] = None,
    default: Annotated[bool, typer.Option("--default", help="Also use it for numbers without an instance.")] = False,
) -> None:
    """Save the access token of a number. The token is read from standard input, or from WHATSAPP_ACCESS_TOKEN."""
    _check(number)
    settings = load_settings(CredentialSettings)
    token = settings.whatsapp_access_token or _typed_or_piped()

    async def write(opened: _Open) -> str:
        known = {instance.id: instance async for instance in opened.instances.all()}
        before = known.get(number)
        saved = await opened.instances.save(
            number,
            display_name=name or (before.display_name if before else number),
            access_token=token,
            # the first one is the default: a single number needs no further thought
            is_default=default or (before.is_default if before else not known),
        )
        also = ", the default" if saved.is_default else ""
        event = InstanceUpdated(phone_number_id=number, instance_version=saved.version)
        told = await tell(settings, event, heard=_TRY_AGAIN)
        return (
            f"Saved {saved.id} ({saved.display_name}{also}), version {saved.version}, token {saved.token_hint}.\n{told}"
        )

    typer.echo(_with_instances(settings, write))


def delete(
    number: Annotated[str, typer.Argument(help="The phone number id whose access token is to be forgotten.")],
) -> None:
    """Forget the access token of a number, which uses the default instance from then on, if there is one."""
    _check(number)
    settings = load_settings(CredentialSettings)

    async def remove(opened: _Open) -> str | None:
        before = await opened.instances.effective()
        if not await opened.instances.delete(number):
            return None
        effective = await opened.instances.effective()
        event = InstanceUpdated(phone_number_id=number, instance_version=before.own[number])
        if effective.default is not None:
            told = await tell(settings, event, heard=_TRY_AGAIN)
            return f"Removed {number}; its media are fetched with the default instance.\n{told}"
        told = await tell(settings, event, heard="The ingestors know it already.")
        also = ", and those of every other number without an instance," if before.default == before.own[number] else ""
        return (
            f"Removed {number}, and there is no default instance: its attachments{also} are not fetched any more. "
            "They fail with no_instance and wait until Meta deletes them (media.deadline). To have them fetched by "
            f"themselves, save a token for it with: make instance-set NUMBER={number}; or make another number the "
            f"default with: make instance-set NUMBER=… DEFAULT=1\n{told}"
        )

    removed = _with_instances(settings, remove)
    if removed is None:
        typer.echo(f"There is no WhatsApp instance {number}; list them with: make instances", err=True)
        raise typer.Exit(1)
    typer.echo(removed)


def _check(number: str) -> None:
    if not (number.isascii() and number.isdigit()):
        raise typer.BadParameter("a phone number id has digits only; Meta's API setup page shows it")


def _whole(header: str) -> Column:
    return Column(header, no_wrap=True)


def _typed_or_piped() -> SecretStr:
    if sys.stdin.isatty():
        typed: str = typer.prompt("Access token (not shown)", hide_input=True)
        token = typed.strip()
    else:
        token = sys.stdin.read().strip()
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or any(character.isspace() for character in token):
        raise typer.BadParameter(
            f"no access token came on standard input (one line, {_SHORTEST_TOKEN} characters or more, no spaces); "
            "for example: make instance-set NUMBER=… < token.txt",
            param_hint="token",
        )
    return SecretStr(token)


def _with_instances(settings: CredentialSettings, work: Callable[[_Open], Awaitable[T]]) -> T:
    async def connected() -> T:
        client = connect(settings.mongodb_uri)
        try:
            database: Database = client[settings.mongodb_database]
            instances = InstanceRepository(database, settings.credentials_encryption_key)
            return await work(_Open(instances=instances, refusals=Refusals(database)))
        finally:
            client.close()

    try:
        return asyncio.run(connected())
    except DatabaseError as error:
        typer.echo(f"MongoDB does not answer ({type(error).__name__}); is it running, is MONGODB_URI right?", err=True)
        raise typer.Exit(1) from None
