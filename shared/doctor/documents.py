"""Does something wait too long, or is about to be lost?"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import aiohttp

from shared.clock import Clock
from shared.doctor.check import Answer, fine, warning, wrong
from shared.doctor.services import metric
from shared.repository.failed import FailedMedia
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database

_HOUR, _DAY = 1, 24
_RETRY = "remove the cause, then make retry-failed, which takes the nearest deadline first"
_SAME = "is it the MONGODB_DATABASE of the services? A new one is empty"
_OVERDUE = timedelta(minutes=5)


async def look_at_documents(
    session: aiohttp.ClientSession, database: Database, *, services: Mapping[str, str], clock: Clock
) -> Sequence[Answer]:
    """Only counts; never an id. Where we see none, the media-server must see none, too."""
    if not await database["messages"].count_documents({}, limit=1):
        return [await _none(session, database, services["media-server"])]
    now = clock()
    at_risk = await FailedMedia(database).at_risk(now, (_HOUR, _DAY))
    soon, later = at_risk[_HOUR], at_risk[_DAY] - at_risk[_HOUR]
    overdue = sum((await MessageRepository(database).count_overdue(received_before=now - _OVERDUE)).values())
    answers: list[Answer] = []
    if soon:
        answers.append(wrong(f"{_attachments(soon)} not stored yet, and Meta deletes them within the hour", _RETRY))
    if later:
        answers.append(
            warning(f"{_attachments(later)} not stored yet, and Meta deletes them within {_DAY} hours", _RETRY)
        )
    if overdue:
        answers.append(
            warning(
                f"{_attachments(overdue)} not ready 5 minutes after the webhook",
                "see queues and services here; `media.failure` of each says why its last attempt failed",
            )
        )
    return answers or [fine("no attachment is overdue, none is about to be deleted at Meta")]


async def _none(session: aiohttp.ClientSession, database: Database, media_server: str) -> Answer:
    try:
        theirs = await metric(session, media_server, "attache_documents")
    except (aiohttp.ClientError, OSError, UnicodeDecodeError, TimeoutError):
        theirs = None
    if theirs:
        return wrong(
            f"the database {database.name} has no attachments, the media-server's has {int(theirs):,}",
            "give this command the MONGODB_URI and MONGODB_DATABASE of the services",
        )
    if theirs is None:
        return warning(f"the database {database.name} has no attachments; the media-server could not be asked", _SAME)
    return fine("there are no attachments yet")


def _attachments(count: int) -> str:
    return "1 attachment is" if count == 1 else f"{count:,} attachments are"
