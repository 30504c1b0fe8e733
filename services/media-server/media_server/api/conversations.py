"""`GET /api/conversations` and a conversation's messages."""

from typing import Any

from aiohttp import web

from media_server.api.query import limit
from media_server.links import message_json
from media_server.problems import bad_request, not_found
from media_server.state import CLOCK, CONVERSATIONS, LINKS, LISTING
from shared.media import Attachment
from shared.repository.listing import BadCursor, Conversation, Page


async def get_conversations(request: web.Request) -> web.Response:
    """A page of conversations, the one that moved last first."""
    try:
        page = await request.app[LISTING].conversations(limit=limit(request), cursor=request.query.get("cursor"))
    except BadCursor as error:
        raise bad_request(str(error)) from error
    return web.json_response({"items": [_json(each) for each in page.items], "nextCursor": page.next_cursor})


async def get_conversation_messages(request: web.Request) -> web.Response:
    """A page of one conversation's messages, newest first. The id of a merged conversation still leads to them."""
    conversation_id = await surviving(request, request.match_info["conversationId"])
    try:
        page = await request.app[LISTING].messages(
            conversation_id=conversation_id, limit=limit(request), cursor=request.query.get("cursor")
        )
    except BadCursor as error:
        raise bad_request(str(error)) from error
    return messages_page(request, page)


async def surviving(request: web.Request, conversation_id: str) -> str:
    """The id under which this conversation goes on, or 404."""
    if not await request.app[LISTING].conversation_exists(conversation_id):
        msg = "no conversation has this id"
        raise not_found(msg)
    return await request.app[CONVERSATIONS].surviving(conversation_id)


def messages_page(request: web.Request, page: Page[Attachment]) -> web.Response:
    """The answer that lists messages."""
    links, now = request.app[LINKS], request.app[CLOCK]()
    items = [message_json(attachment, links=links, now=now) for attachment in page.items]
    return web.json_response({"items": items, "nextCursor": page.next_cursor})


def _json(conversation: Conversation) -> dict[str, Any]:
    body = conversation.to_json()
    return {"id": body.pop("_id"), **body}
