"""WhatsApp instances: the business numbers and their access tokens, encrypted at rest, versioned."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import Field, SecretStr
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.clock import system_clock
from shared.errors import CredentialError, ErrorCode
from shared.model import Model, UtcTime
from shared.repository.mongo import Database, Document


class Instance(Model):
    """One business number. `version` grows with each change, so that failures know which token they were tried with."""

    id: str = Field(alias="_id")
    display_name: str
    token_hint: str
    is_default: bool
    version: int
    updated_at: UtcTime


class Credentials(Model):
    """What a call to Graph for one number needs. The token never shows in `repr`."""

    phone_number_id: str
    access_token: SecretStr
    version: int


class InstanceRepository:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database, keys: Sequence[SecretStr]) -> None:
        self._instances = database["whatsapp_instances"]
        self._cipher = MultiFernet([Fernet(key.get_secret_value()) for key in keys])

    async def credentials(self, phone_number_id: str) -> Credentials:
        """Of the number's own instance, else of the default one; `CredentialError` `no_instance` when there is none."""
        found = {
            document["_id"]: document
            async for document in self._instances.find({"$or": [{"_id": phone_number_id}, {"isDefault": True}]})
        }
        document = found.get(phone_number_id) or next(iter(found.values()), None)
        if document is None:
            msg = "no WhatsApp instance for this number and no default one; add it with: make instance-set NUMBER=…"
            raise CredentialError(msg, code=ErrorCode.NO_INSTANCE)
        return Credentials(
            phone_number_id=document["_id"], access_token=self._decrypted(document), version=document["version"]
        )

    async def save(
        self, phone_number_id: str, *, display_name: str, access_token: SecretStr, is_default: bool
    ) -> Instance:
        """Insert or replace; the version grows. A new default takes the place of the old one."""
        if is_default:
            await self._instances.update_many(
                {"_id": {"$ne": phone_number_id}, "isDefault": True},
                {"$set": {"isDefault": False}, "$inc": {"version": 1}},
            )
        token = access_token.get_secret_value()
        document = await self._instances.find_one_and_update(
            {"_id": phone_number_id},
            {
                "$set": {
                    "displayName": display_name,
                    "accessToken": self._cipher.encrypt(token.encode()),
                    "tokenHint": _hint(token),
                    "isDefault": is_default,
                },
                "$inc": {"version": 1},
                "$currentDate": {"updatedAt": True},
            },
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return Instance.model_validate(document)

    async def seed_default(self, phone_number_id: str, access_token: SecretStr) -> bool:
        """Make the default instance if there is no instance of this number yet.

        True when the stored token is the given one; False when it differs, so that the caller can warn: the
        database wins, because a rotated token lives there.
        """
        new = {
            "displayName": phone_number_id,
            "accessToken": self._cipher.encrypt(access_token.get_secret_value().encode()),
            "tokenHint": _hint(access_token.get_secret_value()),
            "version": 1,
            "updatedAt": system_clock(),
        }
        # several ingestors may seed at once: only an insert, so that none takes anything back from another
        for is_default in (True, False):
            with suppress(DuplicateKeyError):  # there is a default already, or this number in the same instant
                await self._instances.update_one(
                    {"_id": phone_number_id}, {"$setOnInsert": new | {"isDefault": is_default}}, upsert=True
                )
                break
        document: Document | None = await self._instances.find_one({"_id": phone_number_id})
        if document is None:
            return True  # removed again in this instant: nothing to warn of
        try:
            return self._decrypted(document).get_secret_value() == access_token.get_secret_value()
        except CredentialError:
            return False

    async def all(self) -> AsyncIterator[Instance]:
        """Every instance, by number."""
        async for document in self._instances.find().sort("_id", ASCENDING):
            yield Instance.model_validate(document)

    def _decrypted(self, document: Document) -> SecretStr:
        try:
            return SecretStr(self._cipher.decrypt(document["accessToken"]).decode())
        except (InvalidToken, KeyError, TypeError):  # another key, or a row that somebody made by hand
            msg = (
                "the stored access token cannot be decrypted with CREDENTIALS_ENCRYPTION_KEY; give the key it was "
                "saved with as well, or save the token again with: make instance-set NUMBER=…"
            )
            raise CredentialError(msg, code=ErrorCode.NO_INSTANCE) from None


def _hint(token: str) -> str:
    """Enough to tell two tokens apart, useless to call with."""
    return f"…{token[-4:]}" if len(token) >= 24 else "…"
