"""`make run`: the four services on this machine, with the settings of `.env`."""

import asyncio
import os
from pathlib import Path

from dotenv import dotenv_values
from rich.console import Console
from rich.table import Table

from local_stack.errors import SettingsMissing, StackError
from local_stack.infrastructure import Infrastructure, infrastructure
from local_stack.log_view import follow
from local_stack.stack import Stack, stack

_DATA = Path(".local/run")
# These say where the embedded servers are; what .env says of them is for a deployment without `make run`.
_OURS = ("RABBITMQ_URL", "RABBITMQ_URL_FILE", "MONGODB_URI", "MONGODB_URI_FILE", "HOST", "PORT")
_NO_SETTINGS = """\
{file} is missing. Make it from the example and fill in what is required; the example says how to get or make each:

    cp .env.example .env

  WHATSAPP_APP_SECRET, WHATSAPP_VERIFY_TOKEN   as at Meta
  CREDENTIALS_ENCRYPTION_KEY                   a Fernet key
  FILES_SIGNING_SECRET                         32 characters or more; `openssl rand -hex 32` prints one
  OPERATOR_TOKEN, ADMIN_TOKEN                  16 characters or more, different"""


def read_settings(file: Path) -> dict[str, str]:
    """What the services are told: the file's settings, each overridden by a shell variable of its name.

    Raises SettingsMissing, saying what to do, when there is no file.
    """
    if not file.is_file():
        raise SettingsMissing(_NO_SETTINGS.format(file=file))
    settings = {name: value for name, value in dotenv_values(file, interpolate=False).items() if value}
    settings |= {name: os.environ[name] for name in settings if name in os.environ}
    return {name: value for name, value in settings.items() if name not in _OURS}


async def run(console: Console) -> None:
    """Run until cancelled. Raises StackError when something does not start, or a service ends by itself."""
    settings = read_settings(Path(".env"))
    async with infrastructure(_DATA, console.print, default_ports=True) as servers:
        settings |= {"RABBITMQ_URL": servers.rabbitmq_url, "MONGODB_URI": servers.mongodb_uri}
        console.print("Starting the services")
        async with stack(_DATA, settings, default_ports=True, directory=Path.cwd()) as services:
            console.print(_addresses(servers, services))
            console.print("Ctrl-C stops everything.\n")
            await _show_logs_until_an_exit(services, console)


async def _show_logs_until_an_exit(services: Stack, console: Console) -> None:
    printing = asyncio.create_task(follow({name: services.log(name) for name in services.names}, console))
    try:
        name = await services.first_exit()
    finally:
        printing.cancel()
    raise StackError(f"{name} has ended with exit code {services.exit_code(name)}; see {services.log(name)}")


def _addresses(servers: Infrastructure, services: Stack) -> Table:
    table = Table(box=None, show_header=False)
    for name in services.names:
        table.add_row(name, services.url(name))
    table.add_row("RabbitMQ", servers.rabbitmq_url)
    table.add_row("MongoDB", servers.mongodb_uri)
    table.add_row("logs, data", str(_DATA.resolve()))
    return table
