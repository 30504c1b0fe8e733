"""`python -m whatsapp_simulator` as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process

import aiohttp


async def start(*arguments: str) -> Process:
    environment = os.environ | {"WHATSAPP_APP_SECRET": "demo-app-secret"}
    command = (sys.executable, "-m", "whatsapp_simulator", "--port", "0", *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=environment)


async def test_it_serves_until_it_is_told_to_stop() -> None:
    process = await start()
    assert process.stdout is not None

    line = (await asyncio.wait_for(process.stdout.readline(), timeout=20)).decode()
    base_url = line.split()[2]
    async with aiohttp.ClientSession() as session, session.get(f"{base_url}/_control/samples") as response:
        samples = await response.json()
    process.send_signal(signal.SIGTERM)

    await asyncio.wait_for(process.communicate(), timeout=20)
    assert "photo" in samples
    assert process.returncode == 0


async def test_a_receiver_that_fails_the_handshake_ends_it() -> None:
    process = await start("--webhook-url", "http://127.0.0.1:1/hook")

    _, errors = await asyncio.wait_for(process.communicate(), timeout=20)

    assert process.returncode == 1
    assert b"did not answer the verification request" in errors


async def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = await start("--port", str(other.getsockname()[1]))

        _, errors = await asyncio.wait_for(process.communicate(), timeout=20)

    assert process.returncode == 1
    assert errors.startswith(b"cannot listen: ")
