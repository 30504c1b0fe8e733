"""The one module that imports motor (ADR 0001), so that PyMongo's own async client can take its place in one commit."""

from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pydantic import SecretStr
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import PyMongoError

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]
DatabaseError = PyMongoError
"""Whatever the database could not do. At this level nothing has been decided, so trying again is right."""

_WAIT_MS = 5000
GAUGE_MS = 3000
"""How long a query for a gauge may take: whoever asked has gone by then."""

INDEXES: dict[str, list[IndexModel]] = {
    "messages": [
        IndexModel([("conversationId", ASCENDING), ("sentAt", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("sentAt", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("media.status", ASCENDING), ("sentAt", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("conversationId", ASCENDING), ("media.status", ASCENDING)]),
        # healing and retry-failed: by code and number, nearest deadline first
        IndexModel([("media.failure.code", ASCENDING), ("phoneNumberId", ASCENDING), ("media.deadline", ASCENDING)]),
        # all that failed, and what is at risk: nearest deadline first
        IndexModel([("media.status", ASCENDING), ("media.deadline", ASCENDING)]),
        # the gauge of what takes too long
        IndexModel([("media.status", ASCENDING), ("receivedAt", ASCENDING)]),
        # the reconciler: not final, and nobody looked in time
        IndexModel([("media.status", ASCENDING), ("media.wakeAt", ASCENDING)]),
        IndexModel([("messageId", ASCENDING)]),
        IndexModel([("media.storage.original.sha256", ASCENDING)], sparse=True),
        IndexModel([("media.storage.original.key", ASCENDING)], sparse=True),
        IndexModel([("media.updatedAt", ASCENDING)]),
    ],
    "conversations": [
        # an identity belongs to one conversation of its number, whatever races there are
        IndexModel(
            [("phoneNumberId", ASCENDING), ("identities", ASCENDING)],
            unique=True,
            partialFilterExpression={"identities": {"$exists": True}},
        ),
        IndexModel([("lastMessageAt", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("mergedInto", ASCENDING)], sparse=True),
    ],
    "blobs": [
        IndexModel([("usedAt", ASCENDING)]),
        # removals that nobody finished
        IndexModel([("wakeAt", ASCENDING)], sparse=True),
    ],
    "whatsapp_instances": [
        IndexModel([("isDefault", ASCENDING)], unique=True, partialFilterExpression={"isDefault": True})
    ],
}


def connect(uri: SecretStr) -> Client:
    """A client that reads aware UTC times and acknowledges a write once a majority has it in the journal.

    Does not connect yet; a call raises `DatabaseError` when no server answers within 5 s.
    """
    return AsyncIOMotorClient(
        uri.get_secret_value(),
        tz_aware=True,
        w="majority",
        journal=True,
        serverSelectionTimeoutMS=_WAIT_MS,
        connectTimeoutMS=_WAIT_MS,
        appname="attache",
    )


async def ensure_indexes(database: Database) -> None:
    """Make every index exist. Safe to call from every service at every start."""
    for collection, indexes in INDEXES.items():
        await database[collection].create_indexes(indexes)


async def server_time(database: Database) -> datetime:
    """What the database server's clock says. May raise `DatabaseError`."""
    said: datetime = (await database.command("hello"))["localTime"]
    return said.replace(tzinfo=UTC)  # answers of commands come without a zone


async def ping(database: Database) -> None:
    """Readiness: raise with a text for people when the database does not answer."""
    try:
        await database.command("ping")
    except DatabaseError as error:
        msg = f"MongoDB does not answer: {type(error).__name__}"
        raise ConnectionError(msg) from error
