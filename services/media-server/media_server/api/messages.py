"""`GET /api/messages`, one message, and another try for it."""

from http import HTTPStatus

from aiohttp import web

from media_server.api.conversations import messages_page
from media_server.api.query import limit, one_of
from media_server.links import message_json
from media_server.problems import Problem, bad_request, not_found, unavailable
from media_server.state import CLOCK, LINKS, LISTING, MESSAGES, RETRYING
from shared.errors import ErrorCode
from shared.media import Attachment, MediaStatus
from shared.repository.listing import BadCursor
from shared.retrying import Contended, NothingToRetry


async def get_messages(request: web.Request) -> web.Response:
    """A page of messages of all conversations, newest first, narrowed by the filters given."""
    try:
        page = await request.app[LISTING].messages(
            status=one_of(request, "status", MediaStatus),
            phone_number_id=request.query.get("phoneNumberId"),
            code=one_of(request, "code", ErrorCode),
            limit=limit(request),
            cursor=request.query.get("cursor"),
        )
    except BadCursor as error:
        raise bad_request(str(error)) from error
    return messages_page(request, page)


async def get_message(request: web.Request) -> web.Response:
    """One message with fresh links."""
    return _answer(request, await find(request))


async def post_retry(request: web.Request) -> web.Response:
    """Try again what failed, was skipped or waits: 202 with the message as it goes on."""
    media_id = request.match_info["id"]
    try:
        attachment = await request.app[RETRYING].retry(media_id, ask_now=True)
    except NothingToRetry as error:
        current = await find(request)
        raise Problem(HTTPStatus.CONFLICT, "nothing_to_retry", _why_nothing(current)) from error
    except Contended as error:
        msg = f"{media_id} is changing at this moment; nothing is lost, send the same request again"
        raise unavailable(msg) from error
    return _answer(request, _known(attachment), status=HTTPStatus.ACCEPTED)


async def find(request: web.Request) -> Attachment:
    """The document that the path names, or 404."""
    return _known(await request.app[MESSAGES].get(request.match_info["id"]))


def _known(attachment: Attachment | None) -> Attachment:
    if attachment is None:
        msg = "no message has this id; it begins with m and is not the wamid. One that was erased is gone for good"
        raise not_found(msg)
    return attachment


def _why_nothing(attachment: Attachment) -> str:
    if attachment.media.status is MediaStatus.READY:
        return f"{attachment.id} is ready: its file is there, and there is nothing to try again"
    return (
        f"{attachment.id} is {attachment.media.status}: an attempt is under way or queued already; "
        "watch /api/events, or ask for the message again in a minute"
    )


def _answer(request: web.Request, attachment: Attachment, *, status: int = HTTPStatus.OK) -> web.Response:
    body = message_json(attachment, links=request.app[LINKS], now=request.app[CLOCK]())
    return web.json_response(body, status=status)
