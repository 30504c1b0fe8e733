"""`attache instances` and `attache instance-set`: the business numbers and their access tokens."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from shared.cli.settings import CredentialSettings
from shared.repository.instances import InstanceRepository
from shared.repository.mongo import DatabaseError, connect
from shared.settings import load_settings

T = TypeVar("T")

_SHORTEST_TOKEN = 16


def show() -> None:
    """List the WhatsApp numbers whose media can be fetched."""

    async def read(repository: InstanceRepository) -> Table:
        table = Table("number id", "name", "default", "version", "token", "updated", title="WhatsApp instances")
        async for instance in repository.all():
            table.add_row(
                instance.id,
                instance.display_name,
                "yes" if instance.is_default else "",
                str(instance.version),
                instance.token_hint,
                f"{instance.updated_at:%Y-%m-%d %H:%M} UTC",
            )
        return table

    table = _with_instances(load_settings(CredentialSettings), read)
    if table.row_count:
        Console().print(table)
    else:
        typer.echo("There is no WhatsApp instance yet. Add one with: make instance-set NUMBER=<phone number id>")


def save(
    number: Annotated[str, typer.Argument(help="The phone number id from Meta's API setup page (digits).")],
    name: Annotated[str | None, typer.Option(help="What operators call it.")] = None,
    default: Annotated[bool, typer.Option("--default", help="Also use it for numbers without an instance.")] = False,
) -> None:
    """Save the access token of a number. The token is read from standard input, or from WHATSAPP_ACCESS_TOKEN."""
    if not (number.isascii() and number.isdigit()):
        raise typer.BadParameter("a phone number id has digits only; Meta's API setup page shows it")
    settings = load_settings(CredentialSettings)
    token = settings.whatsapp_access_token or _typed_or_piped()

    async def write(repository: InstanceRepository) -> str:
        known = {instance.id: instance async for instance in repository.all()}
        before = known.get(number)
        saved = await repository.save(
            number,
            display_name=name or (before.display_name if before else number),
            access_token=token,
            # the first one is the default: a single number needs no further thought
            is_default=default or (before.is_default if before else not known),
        )
        also = ", the default" if saved.is_default else ""
        return f"Saved {saved.id} ({saved.display_name}{also}), version {saved.version}, token {saved.token_hint}."

    typer.echo(_with_instances(settings, write))


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


def _with_instances(settings: CredentialSettings, work: Callable[[InstanceRepository], Awaitable[T]]) -> T:
    async def connected() -> T:
        client = connect(settings.mongodb_uri)
        try:
            database = client[settings.mongodb_database]
            return await work(InstanceRepository(database, settings.credentials_encryption_key))
        finally:
            client.close()

    try:
        return asyncio.run(connected())
    except DatabaseError as error:
        typer.echo(f"MongoDB does not answer ({type(error).__name__}); is it running, is MONGODB_URI right?", err=True)
        raise typer.Exit(1) from None
