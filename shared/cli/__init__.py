"""`attache`, the operator's command line. Exit codes: 0 done, 1 not achieved, 2 wrong usage or settings."""

import typer
from cryptography.fernet import Fernet

from shared.cli import (
    backup,
    dead_letters,
    doctor,
    erase,
    instances,
    previews,
    reencrypt,
    restore,
    retention,
    retry,
    simulate,
    storage,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Operate Attache from the command line. Settings come from the environment, else from .env.",
)


@app.callback()
def main_options() -> None:
    """Operate Attache from the command line. Settings come from the environment, else from .env."""


@app.command()
def key() -> None:
    """Print a new key for CREDENTIALS_ENCRYPTION_KEY (put it before the old ones, with a comma)."""
    typer.echo(Fernet.generate_key().decode())


app.command("doctor")(doctor.doctor)
app.command("instances")(instances.show)
app.command("instance-set")(instances.save)
app.command("instance-delete")(instances.delete)
app.command("reencrypt")(reencrypt.reencrypt)
app.command("retry")(retry.retry)
app.command("retry-failed")(retry.retry_failed)
app.command("erase")(erase.erase)
app.command("retention")(retention.retention)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.add_typer(dead_letters.app, name="dlq")
app.add_typer(storage.app, name="storage")
app.add_typer(previews.app, name="previews")
app.command("simulate", context_settings=simulate.PASS_THROUGH)(simulate.simulate)


def main() -> None:
    """The console script."""
    app()
