"""WhatsApp instances: the business numbers and their access tokens, encrypted at rest, versioned."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import Field, SecretStr
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.clock import system_clock
from shared.errors import CredentialError, ErrorCode
from shared.model import Model, UtcTime
from shared.repository.mongo import Database, DatabaseError, Document

_VERSIONS = "instanceVersion"
_TRIES = 50


class ContendedDefault(DatabaseError):
    """Too many want to become the default at once; trying again is right."""


class Instance(Model):
    """One business number. Each change gives it a `version` that no instance had before: failures keep the one they
    were tried with, so a number's credentials have changed when its effective version is another one.
    """

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


@dataclass(frozen=True, kw_only=True)
class Effective:
    """Which version each number is called with: its own instance's, else the default one's.

    `locked`: versions whose token cannot be decrypted with the keys at hand.
    """

    own: Mapping[str, int]
    default: int | None
    locked: frozenset[int]

    def version(self, phone_number_id: str) -> int | None:
        """None when there is no instance that fits."""
        return self.own.get(phone_number_id, self.default)

    def works(self, phone_number_id: str) -> bool:
        """Whether there is a token to call Meta with."""
        version = self.version(phone_number_id)
        return version is not None and version not in self.locked


class InstanceRepository:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database, keys: Sequence[SecretStr]) -> None:
        self._instances = database["whatsapp_instances"]
        self._counters = database["counters"]
        self._cipher = MultiFernet([Fernet(key.get_secret_value()) for key in keys])

    async def credentials(self, phone_number_id: str) -> Credentials:
        """Of the number's own instance, else of the default one; `CredentialError` `no_instance` when there is none."""
        found = {
            document["_id"]: document
            async for document in self._instances.find({"$or": [{"_id": phone_number_id}, {"isDefault": True}]})
        }
        document = found.get(phone_number_id) or next(iter(found.values()), None)
        if document is None:
            msg = (
                "no WhatsApp instance for this number and no default one; add it with: make instance-set NUMBER=…, "
                "then this attachment is fetched by itself"
            )
            raise CredentialError(msg, code=ErrorCode.NO_INSTANCE)
        return Credentials(
            phone_number_id=document["_id"], access_token=self._decrypted(document), version=document["version"]
        )

    async def save(
        self, phone_number_id: str, *, display_name: str, access_token: SecretStr, is_default: bool
    ) -> Instance:
        """Insert or replace, as a new version. A new default takes the place of the old one."""
        version = await self._next_version()
        token = access_token.get_secret_value()
        fields = {
            "displayName": display_name,
            "accessToken": self._cipher.encrypt(token.encode()),
            "tokenHint": _hint(token),
            "isDefault": is_default,
            "version": version,
        }
        return Instance.model_validate(await self._written(phone_number_id, fields, upsert=True))

    async def describe(self, phone_number_id: str, *, display_name: str, is_default: bool) -> Instance | None:
        """Change the name, or what is the default, and keep token and version. None when there is no such instance."""
        if not await self._instances.count_documents({"_id": phone_number_id}, limit=1):
            return None
        fields = {"displayName": display_name, "isDefault": is_default}
        document = await self._written(phone_number_id, fields, upsert=False)
        return None if document is None else Instance.model_validate(document)

    async def _written(self, phone_number_id: str, fields: Document, *, upsert: bool) -> Document | None:
        """The instance with these fields; a new default takes the place of the old one."""
        for _ in range(_TRIES):
            if fields["isDefault"]:
                await self._instances.update_many(
                    {"_id": {"$ne": phone_number_id}, "isDefault": True}, {"$set": {"isDefault": False}}
                )
            with suppress(DuplicateKeyError):  # another has become the default in this instant: it is replaced too
                document: Document | None = await self._instances.find_one_and_update(
                    {"_id": phone_number_id},
                    {"$set": fields, "$currentDate": {"updatedAt": True}},
                    upsert=upsert,
                    return_document=ReturnDocument.AFTER,
                )
                return document
        msg = f"the default instance changed {_TRIES} times in a row"
        raise ContendedDefault(msg)

    async def seed_default(self, phone_number_id: str, access_token: SecretStr) -> bool:
        """Make the default instance if there is no instance of this number yet.

        True when the stored token is the given one; False when it differs, so that the caller can warn: the
        database wins, because a rotated token lives there.
        """
        if not await self._instances.count_documents({"_id": phone_number_id}, limit=1):
            await self._seed(phone_number_id, access_token)
        document: Document | None = await self._instances.find_one({"_id": phone_number_id})
        if document is None:
            return True  # removed again in this instant: nothing to warn of
        try:
            return self._decrypted(document).get_secret_value() == access_token.get_secret_value()
        except CredentialError:
            return False

    async def delete(self, phone_number_id: str) -> bool:
        """Remove a number's instance; False when there is none. The number then uses the default one."""
        result = await self._instances.delete_one({"_id": phone_number_id})
        return result.deleted_count == 1

    async def effective(self) -> Effective:
        """What every number is called with at this moment."""
        documents = [document async for document in self._instances.find()]
        return Effective(
            own={document["_id"]: document["version"] for document in documents},
            default=next((document["version"] for document in documents if document["isDefault"]), None),
            locked=frozenset(document["version"] for document in documents if not self._opens(document)),
        )

    async def numbers(self) -> AsyncIterator[str]:
        """Of every instance, whatever else its row holds."""
        async for document in self._instances.find({}, {"_id": 1}).sort("_id", ASCENDING):
            yield str(document["_id"])

    async def all(self) -> AsyncIterator[Instance]:
        """Every instance, by number."""
        async for document in self._instances.find().sort("_id", ASCENDING):
            yield Instance.model_validate(document)

    async def _seed(self, phone_number_id: str, access_token: SecretStr) -> None:
        new = {
            "displayName": phone_number_id,
            "accessToken": self._cipher.encrypt(access_token.get_secret_value().encode()),
            "tokenHint": _hint(access_token.get_secret_value()),
            "version": await self._next_version(),
            "updatedAt": system_clock(),
        }
        # several ingestors may seed at once: only an insert, so that none takes anything back from another
        for is_default in (True, False):
            with suppress(DuplicateKeyError):  # there is a default already, or this number in the same instant
                await self._instances.update_one(
                    {"_id": phone_number_id}, {"$setOnInsert": new | {"isDefault": is_default}}, upsert=True
                )
                break

    async def _next_version(self) -> int:
        """A number that no instance had before, one that was deleted included."""
        if not await self._counters.count_documents({"_id": _VERSIONS}, limit=1):
            # versions once counted for each instance alone: go on above the highest
            highest = [document["version"] async for document in self._instances.find({}, {"version": 1})]
            with suppress(DuplicateKeyError):
                await self._counters.insert_one({"_id": _VERSIONS, "value": max(highest, default=0)})
        counter: Document = await self._counters.find_one_and_update(
            {"_id": _VERSIONS}, {"$inc": {"value": 1}}, return_document=ReturnDocument.AFTER
        )
        version: int = counter["value"]
        return version

    def _opens(self, document: Document) -> bool:
        try:
            self._decrypted(document)
        except CredentialError:
            return False
        return True

    def _decrypted(self, document: Document) -> SecretStr:
        try:
            return SecretStr(self._cipher.decrypt(document["accessToken"]).decode())
        except (InvalidToken, KeyError, TypeError):  # another key, or a row that somebody made by hand
            msg = (
                "the stored access token cannot be decrypted with CREDENTIALS_ENCRYPTION_KEY; give the key it was "
                "saved with as well, or save the token again with: make instance-set NUMBER=…"
            )
            error = CredentialError(msg, code=ErrorCode.NO_INSTANCE)
            error.instance_version = document.get("version")
            raise error from None


def _hint(token: str) -> str:
    """Enough to tell two tokens apart, useless to call with."""
    return f"…{token[-4:]}" if len(token) >= 24 else "…"
