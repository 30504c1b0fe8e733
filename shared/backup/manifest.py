"""`manifest.json`: what a backup consists of. It is written last, so where it is the backup is whole."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.backup.errors import NotWhole
from shared.model import Model, UtcTime

NAME = "manifest.json"
FORMAT = 1


class CollectionPart(Model):
    """One collection: `<name>.bson`, and beside it `<name>.metadata.json` with its indexes."""

    name: str
    documents: int
    size_bytes: int
    sha256: str
    metadata_sha256: str


class FilesPart(Model):
    """The stored files; the digest of each stands in `SHA256SUMS`."""

    count: int
    size_bytes: int
    list_sha256: str


class Manifest(Model):
    """What was erased after `started_at` may be in the backup: it is to be erased again after a restore."""

    format: int = FORMAT
    id: str
    attache_version: str
    installation: str | None = None
    started_at: UtcTime
    finished_at: UtcTime
    documents_folder: str
    collections: list[CollectionPart]
    files: FilesPart

    @property
    def documents(self) -> int:
        """In all collections."""
        return sum(part.documents for part in self.collections)

    @property
    def size_bytes(self) -> int:
        """Of all that is to be read."""
        return self.files.size_bytes + sum(part.size_bytes for part in self.collections)


def read(folder: Path) -> Manifest:
    """Raise `NotWhole` with what is wrong."""
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.pop("sha256")
        if stated != _digest(content):
            raise NotWhole(f"{path} has been changed since it was written; take another backup")
        if content["format"] > FORMAT:
            raise NotWhole(
                f"{folder} was made by a newer Attache ({content['attacheVersion']}); restore it with that one"
            )
        return Manifest.model_validate(content)
    except (FileNotFoundError, NotADirectoryError):
        known = "a backup into it was cut off; make it again" if folder.is_dir() else "there is no such folder"
        raise NotWhole(f"{folder} holds no whole backup: {known} ({NAME} is written last, and is not there)") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise NotWhole(f"{path} cannot be read ({type(error).__name__}); take another backup") from error


def write(folder: Path, manifest: Manifest) -> None:
    """At once and durably: from here on this is the backup in the folder."""
    content = manifest.to_json()
    unfinished = folder / f"{NAME}.unfinished"
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump({**content, "sha256": _digest(content)}, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / NAME)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
