"""A single service as a real process, ready or not: for what a healthy stack cannot show."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp


@dataclass(frozen=True, kw_only=True)
class ServiceProcess:
    """A service that listens, with what it has written so far."""

    url: str
    pid: int
    stdout: Path
    stderr: Path

    def log_entries(self) -> list[dict[str, Any]]:
        """Every line of its standard output."""
        return [json.loads(line) for line in self.stdout.read_text().splitlines()]


def closed_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def service(module: str, environment: Mapping[str, str], folder: Path) -> AsyncIterator[ServiceProcess]:
    """`python -m <module>` in this folder, with these settings and no others, until the context is left."""
    port = closed_port()
    url, out, err = f"http://127.0.0.1:{port}", folder / "stdout.log", folder / "stderr.log"
    settings = {"PATH": os.environ["PATH"], **environment, "PORT": str(port)}
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own module; starting it takes no time
            [sys.executable, "-m", module], env=settings, cwd=folder, stdout=stdout, stderr=stderr
        )
    try:
        await _listening(url, process)
        yield ServiceProcess(url=url, pid=process.pid, stdout=out, stderr=err)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


async def _listening(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    async with aiohttp.ClientSession() as session:
        while True:
            assert process.poll() is None, f"{url} has ended with exit code {process.poll()}"
            assert time.monotonic() < deadline, f"{url} does not answer"
            try:
                async with session.get(f"{url}/healthz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
