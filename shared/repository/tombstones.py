"""The collection `tombstones`: what was erased, and until when it was sent, so that nothing brings it back.

A tombstone is an HMAC of a name and `before`: only what was sent before that is covered, so a customer may write again.
Without the key nobody can tell whose it is, nor try all phone numbers. The key is random, made with the first
tombstone, and kept in the collection `secrets`, encrypted like the access tokens.
"""

import hmac
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr
from pymongo import UpdateOne

from shared.clock import system_clock
from shared.errors import Postponed
from shared.events import IdentityChanged, MediaReceived
from shared.repository.erased_names import covering, covering_change
from shared.repository.mongo import Database, Document

log = structlog.get_logger(__name__)

FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
"""For what cannot come a second time: an attachment, a message."""
_ID = "tombstones"
_KEY_BYTES = 32
_AT_ONCE = 1000


class TombstonesSealed(Postponed):
    """The key of the tombstones cannot be decrypted: whether something was erased cannot be told, so it must wait."""


class Tombstones:
    """Every method may raise `DatabaseError`, and `TombstonesSealed`, which says what to do."""

    def __init__(self, database: Database, keys: Sequence[SecretStr]) -> None:
        self._tombstones = database["tombstones"]
        self._secrets = database["secrets"]
        self._ciphers = [Fernet(key.get_secret_value()) for key in keys]
        self._key: bytes | None = None
        self._sealed: TombstonesSealed | None = None

    async def open(self) -> None:
        """See that the key can be read, and encrypt it with the newest of ours. Before anything stands on it."""
        found = await self._secrets.find_one({"_id": _ID})
        if found is None:
            return
        self._key = self._decrypted(found)
        try:
            self._ciphers[0].decrypt(found["key"])
        except InvalidToken:
            renewed = self._ciphers[0].encrypt(self._key)
            await self._secrets.update_one({"_id": _ID, "key": found["key"]}, {"$set": {"key": renewed}})
            log.info("tombstones.key_encrypted_anew")

    async def check(self) -> None:
        """Readiness: raise with a text for people when it cannot be told what was erased."""
        if self._sealed is not None:
            raise self._sealed

    async def cover(self, event: MediaReceived) -> bool:
        """Whether this attachment was erased: nothing of it may come back."""
        return await self.cover_any(covering(event), sent_at=event.sent_at)

    async def cover_change(self, event: IdentityChanged) -> bool:
        """Whether a customer was erased after this change of their identity: neither name may come back."""
        return await self.cover_any(covering_change(event), sent_at=event.changed_at)

    async def cover_any(self, names: Iterable[str], *, sent_at: datetime | None = None) -> bool:
        """Whether what was sent then (None: whenever) was erased under any of these names."""
        key = await self._known_key()
        if key is None:
            return False
        query: Document = {"_id": {"$in": [_digest(key, name) for name in names]}}
        if sent_at is not None:
            query["before"] = {"$gt": sent_at}
        return await self._tombstones.find_one(query, {"_id": 1}) is not None

    async def covered(self, names: Iterable[str]) -> frozenset[str]:
        """Those of these names under which something was erased, whenever it was sent."""
        key = await self._known_key()
        if key is None:
            return frozenset()
        digests = {_digest(key, name): name for name in names}
        found = self._tombstones.find({"_id": {"$in": [*digests]}}, {"_id": 1})
        return frozenset([digests[row["_id"]] async for row in found])

    async def lay(self, names: Iterable[str], *, before: datetime) -> None:
        """Before anything is erased: from now on nothing comes in under these names that was sent before."""
        key = await self._known_key() or await self._new_key()
        laid = [
            UpdateOne(
                {"_id": _digest(key, name)},
                {"$max": {"before": before}, "$setOnInsert": {"laidAt": system_clock()}},
                True,
            )
            for name in dict.fromkeys(names)
        ]
        for start in range(0, len(laid), _AT_ONCE):
            await self._tombstones.bulk_write(laid[start : start + _AT_ONCE], ordered=False)

    async def _known_key(self) -> bytes | None:
        """None until the first tombstone is laid, by whichever process."""
        if self._key is None:
            found = await self._secrets.find_one({"_id": _ID})
            if found is None:
                return None
            self._key = self._decrypted(found)
        return self._key

    async def _new_key(self) -> bytes:
        sealed = self._ciphers[0].encrypt(secrets.token_bytes(_KEY_BYTES))
        await self._secrets.update_one({"_id": _ID}, {"$setOnInsert": {"key": sealed}}, upsert=True)
        key = await self._known_key()  # perhaps that of another process, which came first
        if key is None:
            msg = "the key of the tombstones was removed while it was made; do it again"
            raise TombstonesSealed(msg)
        return key

    def _decrypted(self, found: Document) -> bytes:
        try:
            return MultiFernet(self._ciphers).decrypt(found["key"])
        except (InvalidToken, KeyError, TypeError):
            msg = (
                "CREDENTIALS_ENCRYPTION_KEY does not open the key of the tombstones, so it cannot be told what was "
                "erased; add the earlier key to the list, after the new one, and restart the ingestor. Is it lost: "
                'see "The encryption key is lost" in docs/operations.md'
            )
            if self._sealed is None:
                log.error("tombstones.sealed", next=msg)
            self._sealed = TombstonesSealed(msg)
            raise self._sealed from None


def _digest(key: bytes, name: str) -> str:
    return hmac.new(key, name.encode("utf-8", "surrogatepass"), sha256).hexdigest()
