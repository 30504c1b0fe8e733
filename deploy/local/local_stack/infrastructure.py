"""MongoDB and RabbitMQ for one stack: found or installed, started beside whatever else runs, stopped again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack.container import ContainerServer, containerised_broker, docker_answers
from local_stack.errors import NotInstalled, StackError
from local_stack.folder import prepare_folder
from local_stack.guard import Guard, open_guard
from local_stack.mongodb import find_mongod, mongodb
from local_stack.ports import LOOPBACK
from local_stack.rabbitmq import BrokerPorts, BrokerServer, broker, choose_ports, epmd
from local_stack.rabbitmq_install import can_install, find_epmd, find_rabbitmq, install_rabbitmq
from local_stack.server import Server, start_together, stop_together

_RABBITMQ_PORT, _MONGODB_PORT = 5672, 27017
_WAYS_TO_RABBITMQ = (
    "RabbitMQ is missing and could not be installed. One of these is enough:\n"
    "  - install it (Debian, Ubuntu: apt-get install rabbitmq-server; macOS: brew install rabbitmq)\n"
    "  - run this as root or with sudo on a machine that has apt\n"
    "  - start Docker"
)


@dataclass(frozen=True, kw_only=True)
class Infrastructure:
    """Two running servers, each to be stopped, killed and started by tests. Addresses stay the same through that."""

    rabbitmq: Server
    mongodb: Server
    rabbitmq_management_url: str | None  # for the user guest, as the broker itself
    rabbitmq_metrics_url: str | None = None  # for Prometheus

    @property
    def rabbitmq_url(self) -> str:
        return self.rabbitmq.url

    @property
    def mongodb_uri(self) -> str:
        return self.mongodb.url


@asynccontextmanager
async def infrastructure(
    data: Path,
    progress: Callable[[str], None],
    *,
    default_ports: bool = False,
    management: bool = False,
    metrics: bool = False,
    disposable: bool = False,
) -> AsyncIterator[Infrastructure]:
    """Run both servers with their data below `data`; whatever was started has stopped when the block is left.

    default_ports: 5672 and 27017 when they are free. management: RabbitMQ's HTTP API as well. metrics: its plugin for
    Prometheus as well. disposable: nobody needs the data afterwards, so the servers are killed rather than stopped,
    which is quicker. Raises StackError with a text for the person at the terminal.
    """
    data = prepare_folder(data)
    async with open_guard(data, "infrastructure") as guard:
        mongod = find_mongod()
        ports = choose_ports(
            guard.ports, _RABBITMQ_PORT if default_ports else None, management=management, metrics=metrics
        )
        rabbitmq = await _rabbitmq(data, ports, guard, progress)
        database_port = guard.ports.choose(_MONGODB_PORT if default_ports else None)
        database = Server(mongodb(mongod, data=data, log=data / "logs" / "mongodb.log", port=database_port), guard)
        servers = [rabbitmq, database]
        progress("Starting MongoDB and RabbitMQ")
        try:
            await start_together(servers)
            yield Infrastructure(
                rabbitmq=rabbitmq,
                mongodb=database,
                rabbitmq_management_url=f"http://{LOOPBACK}:{ports.management}" if ports.management else None,
                rabbitmq_metrics_url=f"http://{LOOPBACK}:{ports.metrics}" if ports.metrics else None,
            )
        finally:
            if disposable:
                await asyncio.gather(*(server.discard() for server in servers))
            else:
                await stop_together(servers)


async def _rabbitmq(data: Path, ports: BrokerPorts, guard: Guard, progress: Callable[[str], None]) -> Server:
    logs = data / "logs"
    log = logs / "rabbitmq.log"
    why_not_installed = None
    if find_rabbitmq() is None and can_install():
        try:
            await install_rabbitmq(progress, logs / "install.log")
        except StackError as error:
            why_not_installed = error
    server, name_server = find_rabbitmq(), find_epmd()
    if server is not None and name_server is not None:
        return BrokerServer(
            broker(server, data=data, log=log, ports=ports),
            epmd(name_server, data=data, log=logs / "epmd.log", ports=ports),
            guard,
        )
    if await docker_answers():
        progress("Using Docker for RabbitMQ (the first time it fetches the image)")
        return ContainerServer(containerised_broker(data=data, log=log, ports=ports), guard)
    raise NotInstalled("\n".join(str(part) for part in (_WAYS_TO_RABBITMQ, why_not_installed) if part is not None))
