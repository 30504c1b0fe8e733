"""The collection `refusals`: numbers whose credentials Meta refuses, and when it may be asked whether it still does.

All ingestors share it, so that together they ask once where they would otherwise ask for every attachment.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from pydantic import Field
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.errors import CredentialError, ErrorCode
from shared.model import Model, UtcTime
from shared.repository.mongo import Database, Document

PROBE = timedelta(minutes=1)
_MOST_KNOWN = 500
_REMEMBERED = timedelta(days=1)


class Refusal(Model):
    """Meta refuses this number as it was tried: with this version of its instance, for this reason, since then.

    `certain`: it is the number that is refused, and not one attachment. Meta said so of the number itself, or of two
    attachments one after the other, for the same reason; `attachment` is the one that was refused last, unless others
    were served since. `acceptedAt`: Meta accepts the same credentials again. `refused` are the attachments that Meta
    refused with these credentials: when it does so again, that says nothing new of the number. `probes` counts them,
    so that each asks for another attachment.
    """

    id: str = Field(alias="_id")
    instance_version: int
    code: ErrorCode
    message: str
    provider_status: int | None = None
    provider_code: int | None = None
    refused_at: UtcTime
    probe_at: UtcTime
    certain: bool = False
    attachment: str | None = None
    accepted_at: UtcTime | None = None
    refused: tuple[str, ...] = ()
    probes: int = 0

    @property
    def phone_number_id(self) -> str:
        """The number that is refused."""
        return self.id

    def stands(self, instance_version: int | None) -> bool:
        """Whether Meta has not accepted this version of the instance since."""
        return self.accepted_at is None and self.instance_version == instance_version

    def stops(self, instance_version: int | None) -> bool:
        """Whether Meta is not to be asked with this version of the instance, but for a probe."""
        return self.certain and self.stands(instance_version)

    def shows(self, instance_version: int | None) -> bool:
        """Whether people should know: a number that serves other attachments is not refused."""
        return self.stands(instance_version) and (self.certain or self.attachment is not None)

    def error(self) -> CredentialError:
        """What a call would have ended with."""
        error = CredentialError(
            self.message, code=self.code, provider_status=self.provider_status, provider_code=self.provider_code
        )
        error.instance_version = self.instance_version
        return error


class Refusals:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._refusals = database["refusals"]

    async def get(self, phone_number_id: str) -> Refusal | None:
        """What is known of this number; whether it `stands` is for the caller to ask."""
        document = await self._refusals.find_one({"_id": phone_number_id})
        return None if document is None else Refusal.model_validate(document)

    async def all(self) -> AsyncIterator[Refusal]:
        """The numbers that are refused, by number; one whose instance was saved since does not `stand` any more."""
        async for document in self._refusals.find({"acceptedAt": None}).sort("_id", ASCENDING):
            yield Refusal.model_validate(document)

    async def everything(self) -> AsyncIterator[Refusal]:
        """Those that have been accepted since, too."""
        async for document in self._refusals.find().sort("_id", ASCENDING):
            yield Refusal.model_validate(document)

    async def refused(
        self,
        phone_number_id: str,
        error: CredentialError,
        *,
        attachment_id: str,
        certain: bool | None,
        version: int,
        now: datetime,
    ) -> bool:
        """Meta has just said no to this attachment. True when it has become certain by it that the number is refused.

        `certain`: whether Meta refuses the number itself; None when it does not tell.
        """
        same: Document = {"$eq": ["$instanceVersion", version]}
        was_accepted: Document = {"$ne": [{"$ifNull": ["$acceptedAt", None]}, None]}
        goes_on: Document = {"$and": [same, {"$not": [was_accepted]}]}
        last: Document = {"$ifNull": ["$attachment", None]}
        before: Document = {"$cond": [same, {"$ifNull": ["$refused", []]}, []]}
        is_new: Document = {"$and": [certain is not False, {"$not": [{"$in": [attachment_id, before]}]}]}
        witness: Document = {"$cond": [is_new, attachment_id, None if certain is False else last]}
        another: Document = {
            "$and": [
                {"$eq": ["$code", error.code.value]},
                {"$eq": [{"$ifNull": ["$providerCode", None]}, error.provider_code]},
                {"$not": [{"$in": [last, [None, attachment_id]]}]},
                is_new,
            ]
        }
        facts = {
            "instanceVersion": version,
            "code": error.code.value,
            "message": error.message,
            "providerStatus": error.provider_status,
            "providerCode": error.provider_code,
        }
        update: list[Document] = [
            {
                "$set": {
                    "refusedAt": {"$cond": [goes_on, "$refusedAt", now]},
                    "certain": {"$or": [certain is True, {"$and": [goes_on, {"$or": ["$certain", another]}]}]},
                    "attachment": witness,
                    "refused": {"$slice": [{"$setUnion": [before, [attachment_id]]}, -_MOST_KNOWN]},
                    "probes": {"$cond": [same, {"$ifNull": ["$probes", 0]}, 0]},
                    "probeAt": now + PROBE,
                }
            },
            {"$set": {name: {"$literal": value} for name, value in facts.items()}},
            {"$unset": "acceptedAt"},
        ]
        found = await self._upserted(phone_number_id, update)
        known = None if found is None else Refusal.model_validate(found)
        if known is None or not known.stands(version):
            return certain is True
        reason = (known.code, known.provider_code)
        two = reason == (error.code, error.provider_code) and known.attachment not in {None, attachment_id}
        is_another = two and certain is None and attachment_id not in known.refused
        return not known.certain and (certain is True or is_another)

    async def served(self, refusal: Refusal) -> None:
        """Meta has just served another attachment of this number: so far it is only the one that is refused."""
        await self._refusals.update_one(_same(refusal) | {"certain": False}, {"$set": {"attachment": None}})

    async def claim_probe(self, refusal: Refusal, *, now: datetime) -> bool:
        """Whether the caller is the one of all who may ask Meta now; the next may in a minute or more."""
        if refusal.probe_at > now:
            return False
        result = await self._refusals.update_one(
            {"_id": refusal.id, "instanceVersion": refusal.instance_version, "probeAt": refusal.probe_at},
            {"$set": {"probeAt": now + PROBE}, "$inc": {"probes": 1}},
        )
        return result.matched_count == 1

    async def probe_now(self, phone_number_id: str) -> None:
        """Let the next look ask Meta at once, because there is reason to think that it accepts again."""
        await self._refusals.update_one({"_id": phone_number_id}, [{"$set": {"probeAt": "$refusedAt"}}])

    async def accepted(self, refusal: Refusal, *, now: datetime) -> bool:
        """Meta takes the same credentials again. False when somebody else said so, or they changed."""
        result = await self._refusals.update_one(
            _same(refusal) | {"acceptedAt": None}, {"$set": {"acceptedAt": now, "attachment": None}}
        )
        return result.matched_count == 1

    async def forget(self, refusal: Refusal, *, effective: int | None, now: datetime) -> None:
        """Drop a row that no longer says anything: other credentials are in use, or it was accepted long ago."""
        old = refusal.accepted_at is not None and now - refusal.accepted_at > _REMEMBERED
        if refusal.instance_version != effective or old:
            await self._refusals.delete_one(_same(refusal) | {"acceptedAt": refusal.accepted_at})

    async def _upserted(self, phone_number_id: str, update: list[Document]) -> Document | None:
        try:
            return await self._refused_row(phone_number_id, update)
        except DuplicateKeyError:  # inserted by another in the same instant
            return await self._refused_row(phone_number_id, update)

    async def _refused_row(self, phone_number_id: str, update: list[Document]) -> Document | None:
        found: Document | None = await self._refusals.find_one_and_update(
            {"_id": phone_number_id}, update, upsert=True, return_document=ReturnDocument.BEFORE
        )
        return found


def _same(refusal: Refusal) -> Document:
    return {"_id": refusal.id, "instanceVersion": refusal.instance_version}
