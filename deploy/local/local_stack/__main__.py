"""`python -m local_stack run` and `python -m local_stack demo`."""

import asyncio
import sys
from collections.abc import Coroutine

import typer
from rich.console import Console

from local_stack.errors import SettingsMissing, StackError, StartFailed
from local_stack.run import run

_WRONG_SETTINGS = 2  # of this program and of every service

app = typer.Typer(add_completion=False, help="The whole of Attache on this machine, without containers.")


@app.command(name="run")
def run_command() -> None:
    """The four services with their MongoDB and RabbitMQ; settings from .env; until Ctrl-C."""
    _execute(run(Console()))


@app.command(name="demo")
def demo_command() -> None:
    """The same with a WhatsApp simulator that sends one of every kind of attachment."""
    # Only here: `run` works without the simulator that the demo needs.
    from local_stack.demo import demo

    _execute(demo(Console()))


def _execute(work: Coroutine[None, None, int | None]) -> None:
    errors = Console(stderr=True)
    try:
        exit_code = asyncio.run(work) or 0
    except KeyboardInterrupt:
        exit_code = 0  # the way in which both are meant to end
    except StackError as error:
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        settings_at_fault = isinstance(error, SettingsMissing) or (
            isinstance(error, StartFailed) and error.exit_code == _WRONG_SETTINGS
        )
        exit_code = _WRONG_SETTINGS if settings_at_fault else 1
    sys.exit(exit_code)


if __name__ == "__main__":
    app()
