"""`attache simulate`: the WhatsApp simulator, which is a program of its own and not part of every installation."""

import importlib.util
import os
import sys

import typer
from dotenv import dotenv_values

PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Context settings of the command: all arguments, `--help` included, are the simulator's."""

_PACKAGE = "whatsapp_simulator"
_PREFIX = "WHATSAPP_"


def simulate(ctx: typer.Context) -> None:
    """A simulated WhatsApp that sends signed webhooks, serves media and fails on request; --help says more."""
    if importlib.util.find_spec(_PACKAGE) is None:
        typer.echo(
            "the simulator is not installed here; it comes with a clone of the repository: pip install -e .", err=True
        )
        raise typer.Exit(1)
    found = dotenv_values(".env", interpolate=False)
    settings = {name: value for name, value in found.items() if name.startswith(_PREFIX) and value}
    # replaced, not called: the simulator gets the terminal's signals, and its exit code is ours
    os.execve(sys.executable, [sys.executable, "-m", _PACKAGE, *ctx.args], settings | os.environ)  # noqa: S606
