"""All that is kept encrypted with CREDENTIALS_ENCRYPTION_KEY: access tokens, and the key of the tombstones."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr
from pymongo import ASCENDING

from shared.repository.mongo import Database

_INSTANCES = "whatsapp_instances"
_FIELDS = {_INSTANCES: "accessToken", "secrets": "key"}
_OURS: dict[str, dict[str, object]] = {_INSTANCES: {}, "secrets": {"_id": "tombstones"}}
"""What else stands beside the tombstones' key is not ours."""
_TRIES = 5


class Opens(Enum):
    """Which of the listed keys opens it."""

    FIRST = "first"
    LATER = "later"
    NONE = "none"
    MISSING = "missing"  # there is nothing to open


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """One encrypted text, by where it is kept. `number` is that of an access token; else it is the tombstones' key."""

    collection: str
    id: str
    opens: Opens

    @property
    def number(self) -> str | None:
        """The phone number id whose access token this is."""
        return self.id if self.collection == _INSTANCES else None


class SealedTexts:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database, keys: Sequence[SecretStr]) -> None:
        self._database = database
        self._first = Fernet(keys[0].get_secret_value())
        self._all = MultiFernet([Fernet(key.get_secret_value()) for key in keys])

    async def all(self) -> AsyncIterator[Sealed]:
        """Each, and which key opens it. Changes nothing."""
        for collection, field in _FIELDS.items():
            async for document in self._database[collection].find(_OURS[collection], {field: 1}).sort("_id", ASCENDING):
                yield Sealed(collection=collection, id=str(document["_id"]), opens=self._opens(document.get(field)))

    async def renew(self, sealed: Sealed) -> bool:
        """Encrypt it anew with the first key; nothing else of its document changes, so nothing heals or is told.

        True when it is encrypted with the first key then, or is gone; False when no key opens it.
        """
        field = _FIELDS[sealed.collection]
        collection = self._database[sealed.collection]
        for _ in range(_TRIES):  # a token that is saved meanwhile must not be taken back
            document = await collection.find_one({"_id": sealed.id}, {field: 1})
            if document is None:
                return True
            before = document.get(field)
            opens = self._opens(before)
            if before is None or opens is not Opens.LATER:
                return opens is Opens.FIRST
            anew = self._first.encrypt(self._all.decrypt(before))
            result = await collection.update_one({"_id": sealed.id, field: before}, {"$set": {field: anew}})
            if result.matched_count:
                return True
        return False

    def _opens(self, text: object) -> Opens:
        if text is None:
            return Opens.MISSING
        for cipher, opens in ((self._first, Opens.FIRST), (self._all, Opens.LATER)):
            try:
                cipher.decrypt(text)  # type: ignore[arg-type]  # what is not bytes is refused
            except (InvalidToken, TypeError):
                continue
            return opens
        return Opens.NONE
