"""What the figures were measured on: they mean little without it."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import aio_pika
from pymongo import MongoClient

from tests.bench import node_peer
from tests.bench.world import World


async def describe(world: World, *, node: str | None) -> dict[str, object]:
    """Processor, memory and versions. `loadBefore` tells whether the machine had other things to do."""
    described: dict[str, object] = {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memoryGiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
        "loadBefore": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "rabbitmq": await _rabbitmq_version(world.servers.rabbitmq_url),
        "mongodb": _mongodb_version(world.servers.mongodb_uri),
    }
    described |= {name: version(name) for name in ("aiohttp", "aio-pika", "pillow")}
    if node is not None:
        described |= {"node": node} | json.loads((node_peer.FOLDER / "package.json").read_text())["dependencies"]
    return described


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


async def _rabbitmq_version(url: str) -> str:
    async with await aio_pika.connect(url) as connection:
        transport = connection.transport
        return str(transport.connection.server_properties.get("version")) if transport else "unknown"


def _mongodb_version(uri: str) -> str:
    with MongoClient[dict[str, object]](uri) as client:
        return str(client.server_info()["version"])
