"""What `attache erase` tells: what would go, what went, and what is left for a person to judge."""

from dataclasses import dataclass

import typer
from rich.console import Console
from rich.table import Table

from shared.cli.command import attache
from shared.erase import Erased
from shared.erased_letters import Suspect, Swept
from shared.repository.erasure import Files

_MOST_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What would go."""

    documents: int
    files: Files
    letters: Swept


def show_unknown(letters: Swept, *, kept_out: bool) -> None:
    """That nothing of a sender is known; `kept_out`: tombstones were laid all the same."""
    follows = (
        "What they sent until now is kept out all the same, should it still come."
        if kept_out
        else "If it is right, --yes keeps out what they sent until now and is still to come."
    )
    typer.echo(
        "Nothing of this sender is stored here, and nothing was erased. Is it complete (a phone number with its "
        f"country code)? GET /api/conversations shows who is known. {follows}",
        err=True,
    )
    _show_suspects(letters.suspects)


def show_plan(planned: Planned) -> None:
    """Before it is erased."""
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


def show_erased(erased: Erased, letters: Swept | None) -> None:
    """Afterwards. Without `letters` they could not be looked through."""
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
        typer.echo(f"  {suspect.reason}: {attache()} dlq show {suspect.queue} --id {suspect.id}")
        typer.echo(f"    to remove it: {attache()} dlq purge {suspect.queue} --id {suspect.id}")
    if len(suspects) > _MOST_SHOWN:
        typer.echo(f"  and {len(suspects) - _MOST_SHOWN} more; remove these, and give the same command again")
