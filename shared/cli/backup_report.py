"""What `attache backup` and `attache restore` tell at their end."""

from pathlib import Path

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from shared.backup.backup import Saved
from shared.backup.manifest import Manifest
from shared.backup.restore import Restored
from shared.cli.command import attache


def show_manifest(manifest: Manifest, title: str) -> None:
    """What is in a backup."""
    table = Table("what", title=title)
    for column in ("number", "size"):
        table.add_column(column, justify="right")
    for part in manifest.collections:
        table.add_row(part.name, str(part.documents), decimal(part.size_bytes))
    table.add_section()
    table.add_row("files", str(manifest.files.count), decimal(manifest.files.size_bytes))
    Console().print(table)


def show_saved(saved: Saved, folder: Path) -> bool:
    """After a backup. Whether nothing lacks in it."""
    show_manifest(saved.manifest, "Saved")
    copied, seconds = saved.copied, (saved.manifest.finished_at - saved.manifest.started_at).total_seconds()
    typer.echo(
        f"{copied.files} files ({decimal(copied.size_bytes)}) copied, {copied.there_already} were there already, "
        f"{saved.removed} that nobody needs any more removed; {seconds:.1f} s."
    )
    if saved.met.missing:
        typer.echo(
            f"{saved.met.missing} attachments are saved without their file, as it is not in the storage folder "
            f"({', '.join(saved.met.missing_ids[:3])}{', …' if saved.met.missing > 3 else ''}). "
            f"{attache()} storage check says what to do.",
            err=True,
        )
    if copied.kept:
        typer.echo(
            f"{copied.kept} files are lost or damaged in the storage folder; the backup keeps those that it has. "
            f"{attache()} storage check --all says which and what to do.",
            err=True,
        )
    if copied.damaged:
        typer.echo(
            f"{copied.damaged} originals are saved as they are, and are damaged. {attache()} storage check --all "
            "says which and what to do.",
            err=True,
        )
    typer.echo("CREDENTIALS_ENCRYPTION_KEY is not in it: keep that apart, it opens the access tokens.")
    when = f"{saved.manifest.started_at:%Y-%m-%d %H:%M:%S} UTC"
    lacking = saved.met.missing + copied.damaged
    if lacking:
        typer.echo(f"{folder} holds a backup of {when} in which {lacking} files are missing or damaged.")
    else:
        typer.echo(f"{folder} holds a whole backup of {when}.")
    return not lacking


def show_restored(restored: Restored, manifest: Manifest) -> None:
    """After a restore."""
    files = restored.files
    table = Table("how many", "what", title="Restored")
    for count, what in (
        (restored.documents, "documents of all collections"),
        (files.files, f"files copied: {decimal(files.size_bytes)}"),
        (files.there_already, "files that were there already"),
        (files.left_out, "damaged files left out"),
        (restored.erased, "attachments left out, as they were erased"),
        (restored.kept_out, "documents left out, as others have their place"),
    ):
        table.add_row(str(count), what)
    Console().print(table)
    if restored.indexes_left_out:
        typer.echo(
            f"{restored.indexes_left_out} indexes of others cannot be made on this MongoDB (the log above names them); "
            "make them by hand if you need them.",
            err=True,
        )
    typer.echo("Start the services, then see that nothing is missing: " + f"{attache()} storage check --all")
    typer.echo(
        f"What was erased after {manifest.started_at:%Y-%m-%d %H:%M:%S} UTC may be back: erase it again, and let "
        "retention go again."
    )
