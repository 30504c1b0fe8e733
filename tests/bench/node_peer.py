"""The gateway on Node, installed when its lock file is newer than what is installed, and run like a service."""

import asyncio
import shutil
from pathlib import Path

import aiohttp

from local_stack.environment import base_environment
from local_stack.guard import Guard
from local_stack.ports import LOOPBACK
from local_stack.server import Program, Server
from tests.bench.processes import MeasurementFailed

FOLDER = Path(__file__).parent / "peers"
_INSTALL_SECONDS = 180.0
_OLDEST_NODE = 20


async def node_version() -> str | None:
    """Node's version when it is there with npm and new enough."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None
    version = await _output("node", "--version")
    major = version.removeprefix("v").partition(".")[0]
    return version if major.isdigit() and int(major) >= _OLDEST_NODE else None


async def install() -> None:
    """Exactly what the lock file says. Nothing happens when it is installed already."""
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    await _output("npm", "ci", "--no-audit", "--no-fund", "--prefix", str(FOLDER))


def gateway(guard: Guard, *, data: Path, rabbitmq_url: str, app_secret: str) -> Server:
    """One process, as Attache's gateway is one."""
    port = guard.ports.choose()
    url = f"http://{LOOPBACK}:{port}"
    program = Program(
        name="express-gateway",
        url=url,
        argv=["node", str(FOLDER / "gateway.mjs")],
        environment={
            **base_environment(),
            "NODE_ENV": "production",
            "PORT": str(port),
            "RABBITMQ_URL": rabbitmq_url,
            "WHATSAPP_APP_SECRET": app_secret,
        },
        directory=FOLDER,
        log=data / "logs" / "express-gateway.log",
        is_ready=lambda: _answers(f"{url}/healthz"),
        start_seconds=20.0,
        stop_seconds=5.0,
    )
    return Server(program, guard)


async def _answers(url: str) -> bool:
    try:
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(_INSTALL_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        msg = f"{command[0]} took longer than {_INSTALL_SECONDS:g} s"
        raise MeasurementFailed(msg) from None
    text = output.decode(errors="replace").strip()
    if process.returncode != 0:
        msg = f"{' '.join(command)} failed:\n{text[-2000:]}"
        raise MeasurementFailed(msg)
    return text
