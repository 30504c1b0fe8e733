"""`attache reencrypt`: after it, only the first key of CREDENTIALS_ENCRYPTION_KEY is needed."""

import asyncio
from collections import Counter

import typer

from shared.cli.logs import log_to_stderr
from shared.cli.settings import CredentialSettings
from shared.repository.mongo import DatabaseError, connect, ping
from shared.repository.sealed import Opens, Sealed, SealedTexts
from shared.settings import load_settings


def reencrypt() -> None:
    """Encrypt access tokens and the key of the tombstones anew, with the first key. Can be given again at any time."""
    settings = load_settings(CredentialSettings)
    log_to_stderr(settings)
    try:
        found, locked = asyncio.run(_reencrypted(settings))
    except (DatabaseError, ConnectionError) as error:
        typer.echo(
            f"MongoDB does not answer ({type(error).__name__}); what was encrypted anew stays so. "
            "Is it running, is MONGODB_URI right? Then give the same command again.",
            err=True,
        )
        raise typer.Exit(1) from None
    total = sum(found.values()) + len(locked)
    typer.echo(f"{total} found: {found[Opens.LATER]} encrypted anew, {found[Opens.FIRST]} had the first key already.")
    for sealed in locked:
        typer.echo(_to_do(sealed), err=True)
    if locked:
        raise typer.Exit(1)
    if total:
        typer.echo("The other keys can be removed from CREDENTIALS_ENCRYPTION_KEY, if every service has the first one.")


async def _reencrypted(settings: CredentialSettings) -> tuple[Counter[Opens], list[Sealed]]:
    """How many were encrypted with which key before, and those that none opens."""
    client = connect(settings.mongodb_uri)
    try:
        database = client[settings.mongodb_database]
        await ping(database)
        texts = SealedTexts(database, settings.credentials_encryption_key)
        found: Counter[Opens] = Counter()
        locked: list[Sealed] = []
        async for sealed in texts.all():
            if await texts.renew(sealed):
                found[Opens.LATER if sealed.opens is Opens.LATER else Opens.FIRST] += 1
            else:
                locked.append(sealed)
        return found, locked
    finally:
        client.close()


def _to_do(sealed: Sealed) -> str:
    if sealed.number is not None and sealed.opens is Opens.MISSING:
        return f"There is no access token of number {sealed.number}. Save it: make instance-set NUMBER={sealed.number}"
    if sealed.number is not None:
        return (
            f"No listed key opens the access token of number {sealed.number}. Add the key it was saved with to "
            "CREDENTIALS_ENCRYPTION_KEY, after the new one, and give the same command again; or save the token again "
            f"with: make instance-set NUMBER={sealed.number}"
        )
    return (
        "No listed key opens the key of the tombstones, which tell what was erased. Add the key of before to "
        "CREDENTIALS_ENCRYPTION_KEY, after the new one, and give the same command again. Is it lost: see "
        '"The encryption key is lost" in docs/operations.md'
    )
