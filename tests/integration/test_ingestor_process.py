"""The real processes of the workers, with nothing around them: they wait, say so, and end when told to."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.amqp import until

FERNET_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("service", ["ingestor", "previewer"])
async def test_a_worker_without_broker_and_database_lives_is_not_ready_and_ends_on_sigterm(
    service: str, tmp_path: Path
) -> None:
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": str(port),
        "RABBITMQ_URL": "amqp://guest:hunter2hunter2@127.0.0.1:1/",
        "MONGODB_URI": "mongodb://user:hunter2hunter2@127.0.0.1:1",
        "STORAGE_URL": str(tmp_path / "uploads"),
        "CREDENTIALS_ENCRYPTION_KEY": FERNET_KEY,
        "PREVIEW_WORKERS": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", service),
        env=environment,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            await until(lambda: answers(client, "/healthz", 200))
            assert await answers(client, "/readyz", 503)

        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 0
    assert b"hunter2" not in out + err
    assert b"Traceback" not in out + err
    assert b"service.stopped" in out.splitlines()[-1]


async def answers(client: aiohttp.ClientSession, path: str, status: int) -> bool:
    try:
        async with client.get(path) as response:
            return response.status == status
    except aiohttp.ClientConnectionError:
        return False
