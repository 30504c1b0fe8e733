"""Which files a backup has and with which digest, kept on disk while it is made: memory does not grow with them."""

import re
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from shared.backup.errors import Damaged
from shared.backup.manifest import FilesPart

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  files/(?P<key>.+)")


class FileIndex:
    """A database of its own, of use to this backup only. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("CREATE TABLE file (key TEXT PRIMARY KEY, sha256 TEXT, size INTEGER) WITHOUT ROWID")
        self._rows.execute("CREATE TABLE former (key TEXT PRIMARY KEY, sha256 TEXT) WITHOUT ROWID")
        self._rows.execute("BEGIN")

    def remember(self, sums: Path) -> None:
        """What the backup before this one has in the same folder."""
        self._rows.executemany(
            "INSERT OR REPLACE INTO former VALUES (?, ?)", ((key, sha) for sha, key in entries(sums))
        )

    def former(self, key: str) -> str | None:
        """The digest that the backup before this one has of it."""
        found = self._rows.execute("SELECT sha256 FROM former WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def has(self, key: str) -> bool:
        """Whether this backup has it by now."""
        return self._rows.execute("SELECT 1 FROM file WHERE key = ?", (key,)).fetchone() is not None

    def keep(self, key: str, *, sha256: str, size_bytes: int) -> None:
        """This backup has it."""
        self._rows.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?)", (key, sha256, size_bytes))

    def write(self, sums: Path) -> FilesPart:
        """The list in the format of sha256sum, by key."""
        digest, count, size = sha256(), 0, 0
        with sums.open("wb") as file:
            for key, sha, bytes_each in self._rows.execute("SELECT key, sha256, size FROM file ORDER BY key"):
                line = f"{sha}  files/{key}\n".encode()
                file.write(line)
                digest.update(line)
                count, size = count + 1, size + bytes_each
        return FilesPart(count=count, size_bytes=size, list_sha256=digest.hexdigest())

    def close(self) -> None:
        """And remove the database."""
        self._rows.close()
        self._path.unlink(missing_ok=True)


def entries(sums: Path) -> Iterator[tuple[str, str]]:
    """Digest and key of each file in a list. Raise `Damaged` for a line that is none of ours."""
    with sums.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            found = _LINE.fullmatch(line.removesuffix("\n"))
            if found is None:
                raise Damaged(f"{sums} has been changed: line {number} is no digest and name; take another backup")
            yield found["sha256"], found["key"]
