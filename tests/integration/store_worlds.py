"""A store and a database that agree, for tests that make them disagree."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.clock import system_clock
from shared.keys import Folder, original_key, rendition_key
from shared.media import Attachment, MediaStatus, Storage
from shared.repository.mongo import Database
from tests.builders import make_attachment, make_media, make_original, make_rendition

ATTACHE = Path(sys.executable).with_name("attache")
LONG_AGO = timedelta(days=40)


@dataclass(frozen=True, kw_only=True)
class StoreWorld:
    """Files are written and rows are made as long ago as is said, so that nothing counts as under way."""

    database: Database
    folder: Path
    environment: dict[str, str]

    def file(self, key: str, content: bytes, *, ago: timedelta = LONG_AGO) -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written = (datetime.now(UTC) - ago).timestamp()
        os.utime(path, (written, written))
        return path

    def original(self, content: bytes) -> str:
        """The key of such an original."""
        return original_key(Folder.INCOMING, sha256=hashlib.sha256(content).hexdigest(), extension="bin")

    async def row(self, content: bytes, *, ago: timedelta = LONG_AGO, **fields: Any) -> str:
        """What is known of these bytes; the key."""
        sha256, key = hashlib.sha256(content).hexdigest(), self.original(content)
        row = {
            "key": key,
            "sizeBytes": len(content),
            "mimeType": "application/octet-stream",
            "state": "live",
            "usedAt": system_clock() - ago,
        }
        await self.database["blobs"].replace_one({"_id": sha256}, row | fields, upsert=True)
        return key

    async def ready(
        self, name: str, content: bytes | None = None, *, days_left: float | None = 5, **media: Any
    ) -> Attachment:
        """A document with its original, a thumbnail, their files and their row."""
        content = content or name.encode()
        sha256, key = hashlib.sha256(content).hexdigest(), self.original(content)
        thumb = make_rendition(key=rendition_key(sha256=sha256, name="thumb", recipe=1, extension="webp"), size_bytes=4)
        self.file(key, content)
        self.file(thumb.key, b"webp")
        await self.row(content, renditions={"thumb": thumb.to_document() | {"recipe": 1}})
        deadline = None if days_left is None else system_clock() + timedelta(days=days_left)
        storage = Storage(
            original=make_original(key=key, size_bytes=len(content), sha256=sha256), renditions={"thumb": thumb}
        )
        fields = {"status": MediaStatus.READY, "storage": storage, "deadline": deadline} | media
        attachment = make_attachment(id=name, media=make_media(**fields))
        await self.database["messages"].insert_one(attachment.to_document())
        return attachment

    def path(self, attachment: Attachment) -> Path:
        original = attachment.media.storage.original
        assert original is not None
        return self.folder / original.key

    def thumb(self, attachment: Attachment) -> Path:
        return self.folder / attachment.media.storage.renditions["thumb"].key

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}

    def attache(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`attache storage`, as an operator types it."""
        return subprocess.run(  # noqa: S603 - our own command
            [ATTACHE, "storage", *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
        )
