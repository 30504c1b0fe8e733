"""RabbitMQ on this machine: a broker of our own beside any that is already there.

Own node name, ports, data folder, cookie and epmd, all on loopback; nothing of it is shared with an installed service.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from local_stack.environment import base_environment
from local_stack.guard import Guard
from local_stack.ports import LOOPBACK, Ports, is_free
from local_stack.server import Program, Server

_NODE = "attache@localhost"
# Alarms block publishers: on a developer's machine neither a full laptop nor a large neighbour may raise one.
_CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 20MB
raft.wal_max_size_bytes = 33554432
log.file.level = info
"""
# The first words of an AMQP 0-9-1 conversation: the client names the protocol, the broker answers with a method.
_PROTOCOL_HEADER, _METHOD_FRAME = b"AMQP\x00\x00\x09\x01", b"\x01"
_METRICS = """\
prometheus.tcp.ip = {host}
prometheus.tcp.port = {port}
"""
_MANAGEMENT = """\
management.tcp.ip = {host}
management.tcp.port = {port}
"""


@dataclass(frozen=True, kw_only=True)
class BrokerPorts:
    """The ports of one broker."""

    amqp: int
    distribution: int
    epmd: int
    management: int | None  # its HTTP API is a plugin; with it the broker takes five seconds longer to stop
    metrics: int | None = None  # for Prometheus, a plugin too


def choose_ports(ports: Ports, preferred: int | None, *, management: bool, metrics: bool = False) -> BrokerPorts:
    """Free ports; only AMQP has a well-known one worth having."""
    return BrokerPorts(
        amqp=ports.choose(preferred),
        distribution=ports.choose(),
        epmd=ports.choose(),
        management=ports.choose() if management else None,
        metrics=ports.choose() if metrics else None,
    )


def amqp_url(port: int) -> str:
    return f"amqp://guest:guest@{LOOPBACK}:{port}/"


def epmd(executable: Path, *, data: Path, log: Path, ports: BrokerPorts) -> Program:
    """Erlang's name server. We start it ourselves: one that Erlang starts would outlive the broker."""

    async def is_ready() -> bool:
        return not is_free(ports.epmd)

    return Program(
        name="epmd",
        url=f"epmd://{LOOPBACK}:{ports.epmd}",
        argv=[str(executable), "-port", str(ports.epmd), "-address", LOOPBACK],
        environment=base_environment(),
        directory=data,
        log=log,
        is_ready=is_ready,
        start_seconds=10.0,
        stop_seconds=2.0,
    )


def broker(server: Path, *, data: Path, log: Path, ports: BrokerPorts) -> Program:
    """A broker with quorum queues, its data below `data`."""
    folder = data / "rabbitmq"
    folder.mkdir(parents=True, exist_ok=True)
    configuration, plugins = folder / "rabbitmq.conf", folder / "enabled_plugins"
    settings, enabled = _CONFIGURATION.format(host=LOOPBACK, port=ports.amqp), []
    if ports.management is not None:
        settings += _MANAGEMENT.format(host=LOOPBACK, port=ports.management)
        enabled.append("rabbitmq_management")
    if ports.metrics is not None:
        settings += _METRICS.format(host=LOOPBACK, port=ports.metrics)
        enabled.append("rabbitmq_prometheus")
    configuration.write_text(settings)
    plugins.write_text(f"[{','.join(enabled)}].\n")
    url = amqp_url(ports.amqp)
    return Program(
        name="rabbitmq",
        url=url,
        argv=[str(server)],
        environment={
            **base_environment(),
            "HOME": str(folder),  # the Erlang cookie is made here
            "ERL_EPMD_PORT": str(ports.epmd),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",  # not the machine's own
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": str(log),  # and its standard output, where it tells why it could not start
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(ports.distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # Makes the start script become the Erlang machine instead of waiting for it, so that our signals reach it.
            "RUNNING_UNDER_SYSTEMD": "true",
        },
        directory=data,
        log=log,
        is_ready=lambda: accepts_connections(ports.amqp),
    )


class BrokerServer(Server):
    """A broker and the name server that it needs; this one stays until the guard is left."""

    def __init__(self, program: Program, name_server: Program, guard: Guard) -> None:
        super().__init__(program, guard)
        self._name_server = Server(name_server, guard)

    async def start(self) -> None:
        await self._name_server.start()
        await super().start()


async def accepts_connections(port: int) -> bool:
    """Whether a broker, and not merely a port that leads to one, answers here."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(_PROTOCOL_HEADER)
                return await reader.read(1) == _METHOD_FRAME
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
