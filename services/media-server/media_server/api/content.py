"""`GET /api/messages/{id}/content/{name}`: to the file by a lasting address, or the reason why there is none."""

import math
from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from media_server.api.messages import find
from media_server.links import ORIGINAL, message_json
from media_server.problems import RETRY_SECONDS, Problem, not_found
from media_server.state import CLOCK, LINKS, SETTINGS
from shared.media import Attachment, FailureStage, MediaStatus


async def get_content(request: web.Request) -> web.Response:
    """302 to a fresh signed link."""
    attachment, now = await find(request), request.app[CLOCK]()
    name = request.match_info["name"]
    refuse_missing(attachment, name, now=now, limit_bytes=request.app[SETTINGS].media_max_original_bytes)
    media = message_json(attachment, links=request.app[LINKS], now=now)["media"]
    file = media[ORIGINAL] if name == ORIGINAL else media["renditions"][name]
    return web.Response(status=HTTPStatus.FOUND, headers={"Location": file["url"]})


def refuse_missing(attachment: Attachment, name: str, *, now: datetime, limit_bytes: int) -> None:
    """Raise the problem that tells why this file is not there; return when it is."""
    media = attachment.media
    failure = media.failure
    if media.status is MediaStatus.PENDING:
        raise _not_ready(media.next_attempt_at, now)
    if media.status is MediaStatus.SKIPPED:
        detail = f"the file is larger than {limit_bytes} bytes and was not downloaded"
        raise Problem(HTTPStatus.GONE, "media_too_large", detail)
    if media.status is MediaStatus.FAILED and (failure is None or failure.stage is FailureStage.INGEST):
        raise _failed(attachment)
    if name == ORIGINAL and media.storage.original is not None:
        return
    if name in media.storage.renditions:
        return
    if media.status is MediaStatus.STORED:
        raise _not_ready(media.next_attempt_at, now)
    if media.status is MediaStatus.FAILED:
        raise _failed(attachment)
    msg = f"this message has no rendition of that name; it has {', '.join(media.storage.renditions) or 'none'}"
    raise not_found(msg)


def _not_ready(next_attempt_at: datetime | None, now: datetime) -> Problem:
    wait = (next_attempt_at - now).total_seconds() if next_attempt_at is not None else RETRY_SECONDS
    headers = {"Retry-After": str(max(1, math.ceil(wait)))}
    return Problem(HTTPStatus.NOT_FOUND, "not_ready", "the file is on its way; ask again later", headers=headers)


def _failed(attachment: Attachment) -> Problem:
    failure = attachment.media.failure
    if failure is None:
        return Problem(HTTPStatus.GONE, "internal", "the attachment failed, and nothing tells why")
    return Problem(HTTPStatus.GONE, failure.code.value, failure.message)
