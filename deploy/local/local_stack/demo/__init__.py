"""`make demo`: the whole pipeline on this machine, fed by a simulated WhatsApp with one of every kind of attachment."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local_stack.demo.plan import Shipment, shipments
from local_stack.demo.report import report
from local_stack.demo.secrets import DemoSecrets, environment
from local_stack.demo.watch import Outcome, Watcher
from local_stack.folder import prepare_folder
from local_stack.guard import open_guard
from local_stack.infrastructure import Infrastructure, infrastructure
from local_stack.ports import is_free
from local_stack.stack import Stack, stack
from whatsapp_simulator.simulator import Simulator

_FOLDER = Path(".local")
_DATA = _FOLDER / "demo"
_SIMULATOR_PORT = 8090
_MOST_SECONDS = 90.0
_PLAIN_WIDTH = 120  # in a file or a pipe there is nothing to fit into
_LIMIT_BYTES = 104857600


async def demo(console: Console, made_up: DemoSecrets | None = None) -> int:
    """Run until cancelled, or with `DEMO_EXIT=1` until the table; 0 only if every attachment ended as it should."""
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    made_up = made_up or DemoSecrets.new()
    async with (
        _empty_world(),
        infrastructure(_DATA, console.print, default_ports=True) as servers,
        Simulator(
            app_secret=made_up.app_secret,
            verify_token=made_up.verify_token,
            access_token=made_up.access_token,
            port=_SIMULATOR_PORT if is_free(_SIMULATOR_PORT) else 0,
        ) as simulator,
    ):
        settings = environment(
            made_up,
            simulator,
            rabbitmq_url=servers.rabbitmq_url,
            mongodb_uri=servers.mongodb_uri,
            limit_bytes=_LIMIT_BYTES,
        )
        console.print("Starting the services")
        async with stack(_DATA, settings, default_ports=True) as services:
            addresses = _addresses(made_up, servers, services, simulator)
            _write_private(_FOLDER / "demo.json", addresses)
            outcomes = await _deliver(simulator, services, made_up, console)
            passed = report(outcomes, console)
            console.print(_where_to_look(addresses))
            if os.environ.get("DEMO_EXIT") == "1":
                return 0 if passed else 1
            console.print("Ctrl-C stops everything.")
            name = await services.first_exit()
            console.print(f"{name} has ended with exit code {services.exit_code(name)}; see {services.log(name)}")
            return 1


@asynccontextmanager
async def _empty_world() -> AsyncIterator[None]:
    """One demo at a time, and each begins with nothing: what an earlier one kept would need its secrets."""
    async with open_guard(prepare_folder(_DATA), "demo"):
        async with open_guard(_DATA, "infrastructure"):
            pass  # what a killed demo left running has ended now
        for kept in ("mongodb", "rabbitmq", "uploads"):
            await asyncio.to_thread(shutil.rmtree, _DATA / kept, ignore_errors=True)
        yield


async def _deliver(simulator: Simulator, services: Stack, made_up: DemoSecrets, console: Console) -> list[Outcome]:
    planned = shipments(simulator, limit_bytes=_LIMIT_BYTES)
    gateway = f"{services.url('webhook-gateway')}/webhooks/whatsapp"
    if not await simulator.subscribe(gateway):
        console.print(
            f"the gateway did not answer Meta's handshake; see {services.log('webhook-gateway')}", style="red"
        )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    headers = {"Authorization": f"Bearer {made_up.operator_token}"}
    async with aiohttp.ClientSession(services.url("media-server"), headers=headers) as api:
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("Attachments through the pipeline", total=len(planned))
            async with Watcher(
                api, planned, media_server=services.url("media-server"), on_end=lambda: progress.advance(bar)
            ) as watcher:
                await _send(simulator, planned, watcher)
                await watcher.until_all_ended(seconds=_MOST_SECONDS)
        return await watcher.outcomes()


async def _send(simulator: Simulator, planned: list[Shipment], watcher: Watcher) -> None:
    """Two POSTs, as Meta batches: what belongs together in one, the rest in another."""
    middle = len(planned) // 2
    for batch in (planned[:middle], planned[middle:]):
        watcher.sent(batch)
        delivery = await simulator.send(*(shipment.message for shipment in batch))
        if not delivery.accepted:
            watcher.refused(batch, delivery.statuses)


def _addresses(made_up: DemoSecrets, servers: Infrastructure, services: Stack, simulator: Simulator) -> dict[str, str]:
    return {
        "consoleUrl": f"{services.url('media-server')}/",
        "gatewayUrl": services.url("webhook-gateway"),
        "mediaServerUrl": services.url("media-server"),
        "simulatorUrl": simulator.base_url,
        "rabbitmqUrl": servers.rabbitmq_url,
        "mongodbUri": servers.mongodb_uri,
        "operatorToken": made_up.operator_token,
        "adminToken": made_up.admin_token,
        "appSecret": made_up.app_secret,
    }


def _where_to_look(addresses: dict[str, str]) -> str:
    return (
        f"Operator console  {addresses['consoleUrl']}\n"
        f"API               {addresses['mediaServerUrl']}/api/openapi.json\n"
        "A page of yours   docs/api.md; on another port, open both by localhost: to browsers an IP address is no site\n"
        f"Addresses, tokens {_FOLDER / 'demo.json'}\n"
        f"Logs, files       {_DATA}"
    )


def _write_private(file: Path, content: dict[str, str]) -> None:
    """For the owner's eyes only from the first byte on."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump(content, opened, indent=2)
        opened.write("\n")
