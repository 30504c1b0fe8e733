"""Is MongoDB there, new enough, and does it confirm writes as we ask for them?"""

from collections.abc import Sequence

from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from shared.doctor.check import Answer, fine, warning, wrong
from shared.repository.mongo import Database, DatabaseError

_OLDEST_TESTED = (6, 0)
_UNAUTHORIZED, _AUTHENTICATION_FAILED = 13, 18
_NOBODY = "attache doctor"


async def look_at_database(database: Database) -> Sequence[Answer]:
    """The write finds no document and so changes nothing, but is confirmed like any other."""
    try:
        build = await database.command("buildInfo")
        await database["counters"].update_one({"_id": _NOBODY}, {"$set": {"looked": True}})
    except (WTimeoutError, ServerSelectionTimeoutError, ConnectionFailure, ConfigurationError) as error:
        return [
            wrong(
                f"MongoDB does not answer, or does not confirm writes ({type(error).__name__})",
                "start MongoDB (a majority of its replica set), or correct MONGODB_URI; nothing is lost meanwhile",
            )
        ]
    except OperationFailure as error:
        if error.code in {_UNAUTHORIZED, _AUTHENTICATION_FAILED}:
            return [
                wrong(
                    f"MongoDB refuses the user of MONGODB_URI (code {error.code})",
                    "correct MONGODB_URI, or give that user the role readWrite on MONGODB_DATABASE",
                )
            ]
        return [wrong(f"MongoDB refuses a write (code {error.code})", "its log says why")]
    except DatabaseError as error:
        return [wrong(f"MongoDB does not answer ({type(error).__name__})", "start MongoDB, or correct MONGODB_URI")]
    version = str(build.get("version", ""))
    says = f"MongoDB {version} confirms writes; database {database.name}"
    if tuple(build.get("versionArray", _OLDEST_TESTED))[:2] < _OLDEST_TESTED:
        return [warning(says, "update MongoDB to 6.0 or newer: older ones are not tested")]
    return [fine(says)]
