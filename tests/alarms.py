"""RabbitMQ's memory alarm, raised as in life: the broker finds that it uses more than it may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from local_stack.rabbitmq_install import find_rabbitmq
from local_stack.server import Server
from tests.infrastructure import TestServers

_NEVER, _ALWAYS = "1000000000", "1"  # bytes that the broker may use


@asynccontextmanager
async def memory_alarm(servers: TestServers) -> AsyncIterator[None]:
    """RabbitMQ takes no messages until the block is left."""
    assert servers.embedded is not None, "never on servers that somebody else uses"
    broker = servers.embedded.rabbitmq
    await _may_use(broker, _ALWAYS)
    try:
        yield
    finally:
        await _may_use(broker, _NEVER)


async def _may_use(broker: Server, size_bytes: str) -> None:
    server = find_rabbitmq()
    if server is None:
        pytest.skip("RabbitMQ runs in a container here; its command line is not at hand")
    process = await asyncio.create_subprocess_exec(
        str(server.with_name("rabbitmqctl")),
        *("set_vm_memory_high_watermark", "absolute", size_bytes),
        env=dict(broker.program.environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
