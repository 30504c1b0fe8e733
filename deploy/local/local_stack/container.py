"""RabbitMQ in a container, for machines that have Docker but neither RabbitMQ nor apt."""

import asyncio
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from local_stack.environment import base_environment
from local_stack.ports import LOOPBACK
from local_stack.rabbitmq import BrokerPorts, accepts_connections, amqp_url
from local_stack.server import Program, Server

IMAGE = "rabbitmq:3.13-management"  # the one in docker-compose.yml, too
_PULL_SECONDS = 600.0


async def docker_answers() -> bool:
    """Whether there is a Docker command and an engine behind it."""
    return shutil.which("docker") is not None and await _docker("info") == 0


def containerised_broker(*, data: Path, log: Path, ports: BrokerPorts) -> Program:
    """A broker whose container and volume are named after the data folder, so that a restart finds its queues."""
    name = container_name(data)
    wanted = ((ports.amqp, 5672), (ports.management, 15672), (ports.metrics, 15692))
    published = [(outside, inside) for outside, inside in wanted if outside is not None]
    url = amqp_url(ports.amqp)
    return Program(
        name="rabbitmq",
        url=url,
        # In the foreground: the command passes SIGTERM on to the broker and ends with it, like a local process.
        argv=[
            *("docker", "run", "--rm", "--name", name, "--hostname", "attache"),
            *("--volume", f"{name}:/var/lib/rabbitmq"),
            *(f"--publish={LOOPBACK}:{outside}:{inside}" for outside, inside in published),
            IMAGE,
        ],
        environment=_environment(),
        directory=data,
        log=log,
        is_ready=lambda: accepts_connections(ports.amqp),
        start_seconds=_PULL_SECONDS,
    )


def container_name(data: Path) -> str:
    """One name per data folder."""
    return f"attache-{hashlib.sha256(bytes(data.resolve())).hexdigest()[:12]}"


class ContainerServer(Server):
    """A server whose process is only the command that stands for the container."""

    async def start(self) -> None:
        if self.pid is None:
            await self._remove()  # a container that outlived a killed command holds the name and the volume
        await super().start()

    async def kill(self) -> None:
        await self._remove()
        await super().kill()

    async def discard(self) -> None:
        """Remove the volume, too."""
        await self.kill()
        await _docker("volume", "rm", "--force", self._container)

    async def _remove(self) -> None:
        await _docker("rm", "--force", self._container)

    @property
    def _container(self) -> str:
        return container_name(self.program.directory)


def _environment() -> dict[str, str]:
    # Which engine: rootless Docker, a remote one and other contexts are told by the shell.
    engine = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    return {**base_environment(), **engine}


async def _docker(*arguments: str) -> int:
    process = await asyncio.to_thread(
        subprocess.run, ["docker", *arguments], capture_output=True, check=False, env=_environment()
    )
    return process.returncode
