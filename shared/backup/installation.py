"""Which installation a database belongs to: so that two of them do not take one folder for their backups.

The name is random, made by the first backup, and saved with the documents: who restores them is the same installation.
"""

from uuid import uuid4

from shared.repository.mongo import Database

INSTALLATION = "installation"
_ID = "installation"


class Installation:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._rows = database[INSTALLATION]

    async def known(self) -> str | None:
        """None when no backup was made of it, or restored to it, so far."""
        found = await self._rows.find_one({"_id": _ID})
        return None if found is None else str(found["name"])

    async def made(self) -> str:
        """The same for ever from now on."""
        await self._rows.update_one({"_id": _ID}, {"$setOnInsert": {"name": uuid4().hex}}, upsert=True)
        return str(await self.known())
