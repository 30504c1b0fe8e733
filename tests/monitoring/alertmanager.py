"""A real Alertmanager with the file of deploy/prometheus, whose receivers are filled in with one of the test."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from local_stack.environment import base_environment
from local_stack.guard import open_guard
from local_stack.ports import LOOPBACK
from local_stack.server import Program, Server
from tests.monitoring.prometheus import is_ready
from tests.monitoring.tools import PROMETHEUS, alertmanager_command

JSON = dict[str, Any]


_CANARY = "MediaAtRiskSoon"
_CANARIES = ({"alertname": "MediaAtRisk"}, {"alertname": _CANARY})


class Alertmanager:
    """A running one, and what it told its receivers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: list[JSON] = []

    async def until(self, name: str, status: str, *, seconds: float) -> JSON:
        """The first notification that has this alert with this status (firing or resolved)."""

        def has(notification: JSON) -> bool:
            return any(
                alert["labels"]["alertname"] == name and alert["status"] == status for alert in notification["alerts"]
            )

        return await self._first(has, f"{name} {status}", seconds)

    async def inhibited(self, *alerts: dict[str, str], seconds: float = 10) -> list[str]:
        """The names of those alerts that are not told beside the others, when all of these (labels) fire at once.

        One more pair tells when Alertmanager has looked at all of them: it does so in their order.
        """
        sent = [{"labels": labels} for labels in (*alerts, *_CANARIES)]
        deadline = time.monotonic() + seconds
        async with aiohttp.ClientSession(self.url) as client:
            async with client.post("/api/v2/alerts", json=sent) as response:
                response.raise_for_status()
            while True:
                async with client.get("/api/v2/alerts") as response:
                    known: list[JSON] = await response.json()
                muted = sorted(alert["labels"]["alertname"] for alert in known if alert["status"]["inhibitedBy"])
                if _CANARY in muted:
                    return [name for name in muted if name != _CANARY]
                assert time.monotonic() < deadline, f"Alertmanager has not looked at the alerts within {seconds:g} s"
                await asyncio.sleep(0.02)

    async def _first(self, wanted: Callable[[JSON], bool], what: str, seconds: float) -> JSON:
        deadline = time.monotonic() + seconds
        while not (found := [notification for notification in self.told if wanted(notification)]):
            assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s; told: {self.told}"
            await asyncio.sleep(0.1)
        return found[0]


@asynccontextmanager
async def alertmanager(folder: Path, *, group_interval: str) -> AsyncIterator[Alertmanager]:
    """Until the block is left. Only how often it tells of changes is another."""
    command = alertmanager_command()
    data = folder / "alertmanager"
    data.mkdir(parents=True)
    async with open_guard(data, "alertmanager") as guard:
        url = f"http://{LOOPBACK}:{guard.ports.choose()}"
        running = Alertmanager(url)
        async with _receiver(running) as receiver_url, aiohttp.ClientSession() as client:
            configuration = data / "alertmanager.yml"
            configuration.write_text(_configured(receiver_url, group_interval))
            server = Server(
                Program(
                    name="alertmanager",
                    url=url,
                    argv=[
                        *command,
                        f"--config.file={configuration}",
                        f"--storage.path={data / 'storage'}",
                        f"--web.listen-address={url.removeprefix('http://')}",
                        "--cluster.listen-address=",
                    ],
                    environment=base_environment(),
                    directory=data,
                    log=data / "alertmanager.log",
                    is_ready=lambda: is_ready(client, f"{url}/-/ready"),
                ),
                guard,
            )
            await server.start()
            try:
                yield running
            finally:
                await server.stop()


@asynccontextmanager
async def _receiver(running: Alertmanager) -> AsyncIterator[str]:
    async def told(request: web.Request) -> web.Response:
        running.told.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/{receiver}", told)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, 0)
        await site.start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _configured(receiver_url: str, group_interval: str) -> str:
    """The real file; each placeholder receiver is a webhook that is called by its name."""
    real = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())
    for receiver in real["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{receiver_url}/{receiver['name']}"}]
    for route in (real["route"], *real["route"]["routes"]):
        route["group_interval"] = group_interval
    return yaml.safe_dump(real, sort_keys=False)
