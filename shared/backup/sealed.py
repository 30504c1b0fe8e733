"""What is encrypted in a backup, and whether the key at hand opens it: the key itself is not in there."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bson import decode
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from shared.backup.documents import bson_file, documents

SECRETS = "secrets"
TOMBSTONES = "tombstones"
"""Of the secrets that which opens the tombstones; their collection has the same name."""
_KEY = "key"
_ENCRYPTED = ((SECRETS, _KEY), ("whatsapp_instances", "accessToken"))


class Seals:
    """With these keys, newest first."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._cipher = MultiFernet([Fernet(key.get_secret_value()) for key in keys])

    def closed(self, folder: Path) -> int:
        """How many secrets in these documents the keys do not open."""
        found = ((field, row) for collection, field in _ENCRYPTED for row in _rows(folder, collection))
        return sum(1 for field, row in found if self._opened(row.get(field)) is None)

    def opens(self, secret: dict[str, Any]) -> bool:
        """Whether it can be used with these keys."""
        return self._opened(secret.get(_KEY)) is not None

    def fits(self, folder: Path, there: dict[str, Any]) -> bool:
        """Whether the key of the tombstones that is in a database is that of the backup, so that both can be used."""
        now = self._opened(there.get(_KEY))
        saved = [row.get(_KEY) for row in _rows(folder, SECRETS) if row["_id"] == TOMBSTONES]
        return now is not None and all(each == there.get(_KEY) or self._opened(each) == now for each in saved)

    def _opened(self, token: Any) -> bytes | None:
        try:
            return self._cipher.decrypt(token)
        except (InvalidToken, TypeError):
            return None


def _rows(folder: Path, collection: str) -> Iterator[dict[str, Any]]:
    path = bson_file(folder, collection)
    for raw in documents(path) if path.is_file() else ():
        yield decode(raw)
