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
from shared.model import rfc3339


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
        raise _not_ready(attachment, now)
    if media.status is MediaStatus.SKIPPED:
        detail = (
            f"{attachment.id} is larger than {limit_bytes} bytes (MEDIA_MAX_ORIGINAL_BYTES) and was not downloaded; "
            f"raise that setting for ingestor and media-server, then {_retry(attachment)}"
        )
        raise Problem(HTTPStatus.GONE, "media_too_large", detail)
    if media.status is MediaStatus.FAILED and (failure is None or failure.stage is FailureStage.INGEST):
        raise _failed(attachment)
    if name == ORIGINAL and media.storage.original is not None:
        return
    if name in media.storage.renditions:
        return
    if media.status is MediaStatus.STORED:
        raise _not_ready(attachment, now)
    if media.status is MediaStatus.FAILED:
        raise _failed(attachment)
    names = ", ".join([ORIGINAL, *media.storage.renditions])
    msg = f"{attachment.id} has no file of that name; it has {names}"
    raise not_found(msg)


def _not_ready(attachment: Attachment, now: datetime) -> Problem:
    media = attachment.media
    wait, detail = float(RETRY_SECONDS), f"{attachment.id} is {media.status}: its file is on its way; ask again later"
    if media.next_attempt_at is not None:
        wait = (media.next_attempt_at - now).total_seconds()
        why = f" ({media.failure.code})" if media.failure is not None else ""
        detail = (
            f"{attachment.id} is {media.status}: the last attempt failed{why}, the next one is at "
            f"{rfc3339(media.next_attempt_at)}; ask again then, or {_retry(attachment)}"
        )
    headers = {"Retry-After": str(max(1, math.ceil(wait)))}
    return Problem(HTTPStatus.NOT_FOUND, "not_ready", detail, headers=headers)


def _failed(attachment: Attachment) -> Problem:
    failure = attachment.media.failure
    if failure is None:
        detail = f"{attachment.id} failed, and nothing tells why; {_retry(attachment)}"
        return Problem(HTTPStatus.GONE, "internal", detail)
    why = failure.message.removesuffix(".")
    if failure.stage is FailureStage.PREVIEW:
        original = f"/api/messages/{attachment.id}/content/{ORIGINAL}"
        detail = f"{why}. The original: {original}. To try the preview again, {_retry(attachment)}"
    else:
        detail = f"{attachment.id} failed: {why}. To try again, {_retry(attachment)}"
    return Problem(HTTPStatus.GONE, failure.code.value, detail)


def _retry(attachment: Attachment) -> str:
    return f"POST /api/messages/{attachment.id}/retry"
