"""A store and a database, a place to restore them to, and an operator's shell."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.clock import system_clock
from shared.media import Attachment
from shared.repository.mongo import Database
from tests.builders import make_attachment
from tests.integration.store_worlds import LONG_AGO, StoreWorld

ATTACHE = Path(sys.executable).with_name("attache")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A database and a storage folder, and `attache` with the settings for them."""

    database: Database
    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(ATTACHE), *map(str, arguments)]

    def attache(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            self.command(*arguments),
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
        )

    async def typed(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(self.attache, *arguments, **environment)

    async def killed(self, *arguments: str | Path, once: Any) -> None:
        """Start the command and SIGKILL it as soon as `once()` holds; it must not have ended by then."""
        process = await asyncio.create_subprocess_exec(
            *self.command(*arguments), env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with asyncio.timeout(60):
            while not await once():
                assert process.returncode is None, "it was too quick to be killed"
                await asyncio.sleep(0.002)
        process.kill()
        assert await process.wait() == -9, "it was too quick to be killed"

    async def documents(self) -> dict[str, dict[Any, Any]]:
        """Everything in the database."""
        names = [each for each in await self.database.list_collection_names() if not each.startswith("system.")]
        return {name: {row["_id"]: row async for row in self.database[name].find()} for name in sorted(names)}

    def files(self) -> dict[str, str]:
        """Key → digest of all that is stored."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and ".incomplete" not in path.parts)
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def environment(*, mongodb_uri: str, mongodb_database: str, folder: Path, **more: str) -> dict[str, str]:
    """Of an operator's shell. Nobody answers where RabbitMQ should be, unless `more` says where."""
    return {
        "PATH": os.environ["PATH"],
        "RABBITMQ_URL": "amqp://127.0.0.1:1/",
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": mongodb_database,
        "STORAGE_URL": str(folder),
        "COLUMNS": "200",
        **more,
    }


async def filled(place: Place, names: Iterable[str], *, size: int = 1000, **fields: Any) -> list[Attachment]:
    """Attachments with an original and a thumbnail each, and all that stands beside them."""
    world = StoreWorld(database=place.database, folder=place.folder, environment=place.environment)
    made = []
    for name in names:
        attachment = await world.ready(name, name.encode() * (size // len(name) + 1))
        if fields:
            attachment = attachment.model_copy(update=fields)
            await place.database["messages"].replace_one({"_id": name}, attachment.to_document())
        made.append(attachment)
    now = system_clock() - LONG_AGO
    conversation = {"phoneNumberId": "1", "identities": ["wa:15550102030"], "lastMessageAt": now, "participants": []}
    await place.database["conversations"].replace_one({"_id": make_attachment().conversation_id}, conversation, True)
    return made
