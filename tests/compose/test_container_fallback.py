"""RabbitMQ for `make demo`, `make run` and the tests on a machine that has Docker, but neither RabbitMQ nor apt."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import aiohttp
import pytest
from aio_pika.abc import AbstractQueue
from pamqp.common import FieldTable

from local_stack import Infrastructure, infrastructure, rabbitmq_install
from local_stack.container import IMAGE, container_name, docker_answers
from local_stack.polling import wait_until
from tests.compose.docker import docker, images

_QUORUM: FieldTable = {"x-queue-type": "quorum"}
_RUN = """
import asyncio, sys
from pathlib import Path
from local_stack import infrastructure, rabbitmq_install

async def run() -> None:
    async with infrastructure(Path(sys.argv[1]), lambda _: None):
        print("running", flush=True)
        await asyncio.Event().wait()

rabbitmq_install.FOLDERS = ()
asyncio.run(run())
"""


@pytest.fixture(autouse=True)
def only_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where nothing but Docker is installed."""
    if IMAGE not in images():
        pytest.skip(f"{IMAGE} is not there, and this test fetches nothing: docker pull {IMAGE}")
    programs = tmp_path / "bin"
    programs.mkdir()
    found = shutil.which("docker")
    assert found is not None
    (programs / "docker").symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(rabbitmq_install, "FOLDERS", ())


async def test_the_broker_keeps_what_it_has_confirmed_when_stopped_and_when_killed(tmp_path: Path) -> None:
    said: list[str] = []
    async with infrastructure(tmp_path, said.append, management=True, disposable=True) as servers:
        await _publish(servers, b"stopped")
        await servers.rabbitmq.restart()
        assert await _take(servers) == b"stopped"

        await _publish(servers, b"killed")
        await servers.rabbitmq.kill()
        await servers.rabbitmq.start()
        assert await _take(servers) == b"killed"

        assert await _management_answers(servers)

    assert any("Docker" in line for line in said)
    assert _left_behind(tmp_path) == ("", "")


async def test_the_container_ends_with_the_program_that_started_it_however_that_ended(tmp_path: Path) -> None:
    program = subprocess.Popen(  # noqa: ASYNC220, S603 - it is this interpreter
        [sys.executable, "-c", _RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        assert await asyncio.to_thread(program.stdout.readline) == "running\n"
        assert docker("ps", "--quiet", "--filter", f"name={container_name(tmp_path)}")

        os.kill(program.pid, signal.SIGKILL)

        assert await wait_until(lambda: _left_behind(tmp_path)[0] == "", seconds=30)
    finally:
        program.kill()
        program.communicate()
        docker("volume", "rm", "--force", container_name(tmp_path))


async def test_the_engine_is_the_one_that_the_shell_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await docker_answers()

    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")  # as rootless Docker and remote engines do

    assert not await docker_answers()


def _left_behind(data: Path) -> tuple[str, str]:
    """Ids of its containers and volumes."""
    name = f"name={container_name(data)}"
    return docker("ps", "--all", "--quiet", "--filter", name), docker("volume", "ls", "--quiet", "--filter", name)


async def _management_answers(servers: Infrastructure) -> bool:
    guest = {"Authorization": aiohttp.encode_basic_auth("guest", "guest")}
    async with (
        aiohttp.ClientSession(servers.rabbitmq_management_url, headers=guest) as session,
        session.get("/api/overview") as response,
    ):
        return response.status == 200


@asynccontextmanager
async def _queue(servers: Infrastructure) -> AsyncIterator[tuple[aio_pika.abc.AbstractChannel, AbstractQueue]]:
    async with await aio_pika.connect(servers.rabbitmq_url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        yield channel, await channel.declare_queue("work", durable=True, arguments=_QUORUM)


async def _publish(servers: Infrastructure, body: bytes) -> None:
    async with _queue(servers) as (channel, _):
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key="work")


async def _take(servers: Infrastructure) -> bytes:
    async with _queue(servers) as (_, queue):
        message = await queue.get(timeout=10)
        assert message is not None
        await message.ack()
        return message.body
