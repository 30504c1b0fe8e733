"""The four services as processes of this machine."""

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from local_stack.environment import base_environment
from local_stack.folder import prepare_folder
from local_stack.guard import open_guard
from local_stack.polling import wait_until
from local_stack.ports import LOOPBACK
from local_stack.server import Program, Server, start_together, stop_together

_PROBE_SECONDS = aiohttp.ClientTimeout(total=2)


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: `python -m <module>`, on its well-known port when that is free and wanted."""

    name: str
    module: str
    port: int


SERVICES = (
    Service(name="webhook-gateway", module="webhook_gateway", port=8080),
    Service(name="media-server", module="media_server", port=8081),
    Service(name="ingestor", module="ingestor", port=8082),
    Service(name="previewer", module="previewer", port=8083),
)


class Stack:
    """Running services, by name. A service keeps its address and its log through stops and starts."""

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers = servers

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._servers)

    def url(self, name: str) -> str:
        """Base URL without a slash at the end."""
        return self._servers[name].url

    def log(self, name: str) -> Path:
        """The file with everything that the service has written since the stack was made."""
        return self._servers[name].log

    def log_entries(self, name: str) -> list[dict[str, Any]]:
        """The JSON lines of its log so far, oldest first; other lines (a traceback at start) are left out."""
        entries = []
        for line in self.log(name).read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                entries.append(entry)
        return entries

    async def start(self, name: str) -> None:
        """Return when `GET /readyz` answers 200. Raises StartFailed with the last log lines."""
        await self._servers[name].start()

    async def terminate(self, name: str) -> None:
        """SIGTERM, and wait until it has ended; it may finish what it has in hand."""
        await self._servers[name].stop()

    async def kill(self, name: str) -> None:
        """SIGKILL."""
        await self._servers[name].kill()

    def configure(self, name: str, settings: Mapping[str, str]) -> None:
        """These settings, besides those it has, from its next start on; an empty one is as if it were not given."""
        server = self._servers[name]
        environment = {**server.program.environment, **settings, **_address(server)}
        server.program = replace(server.program, environment=environment)

    def exit_code(self, name: str) -> int | None:
        """How its last run ended; None while it runs."""
        return self._servers[name].exit_code

    async def first_exit(self) -> str:
        """The name of a service that has ended, as soon as there is one."""
        await wait_until(lambda: any(self.exit_code(name) is not None for name in self.names))
        return next(name for name in self.names if self.exit_code(name) is not None)


def _address(server: Server) -> Mapping[str, str]:
    return {name: server.program.environment[name] for name in ("HOST", "PORT")}


@asynccontextmanager
async def stack(
    data: Path,
    environment: Mapping[str, str],
    *,
    services: Sequence[Service] = SERVICES,
    default_ports: bool = False,
    directory: Path | None = None,
    start_seconds: float = 30.0,
    stop_seconds: float = 30.0,
) -> AsyncIterator[Stack]:
    """Run the services until the block is left; each is ready when it is entered.

    environment: their settings; nothing but these (and PATH and the like) reaches them, and HOST and PORT are set
    here. directory: where they run, which is what a relative STORAGE_URL refers to; `data` when not given. Logs are in
    `<data>/logs/<name>.log`. Raises StartFailed with the last log lines of the service that did not come up.
    """
    data = prepare_folder(data)
    async with open_guard(data, "services") as guard:
        servers = {}
        for service in services:
            program = _program(
                service,
                port=guard.ports.choose(service.port if default_ports else None),
                environment=environment,
                directory=directory or data,
                log=data / "logs" / f"{service.name}.log",
                start_seconds=start_seconds,
                stop_seconds=stop_seconds,
            )
            program.log.unlink(missing_ok=True)
            servers[service.name] = Server(program, guard)
        try:
            await start_together(servers.values())
            yield Stack(servers)
        finally:
            await stop_together(servers.values())


def _program(
    service: Service,
    *,
    port: int,
    environment: Mapping[str, str],
    directory: Path,
    log: Path,
    start_seconds: float,
    stop_seconds: float,
) -> Program:
    url = f"http://{LOOPBACK}:{port}"
    return Program(
        name=service.name,
        url=url,
        argv=[sys.executable, "-P", "-m", service.module],  # -P: the folder it runs in holds data, not modules
        environment={
            **base_environment(),
            "PYTHONUNBUFFERED": "1",
            **environment,
            "HOST": LOOPBACK,
            "PORT": str(port),
        },
        directory=directory,
        log=log,
        is_ready=lambda: _is_ready(url),
        start_seconds=start_seconds,
        stop_seconds=stop_seconds,
    )


async def _is_ready(url: str) -> bool:
    try:
        async with aiohttp.ClientSession(timeout=_PROBE_SECONDS) as session, session.get(f"{url}/readyz") as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
