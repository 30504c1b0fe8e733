"""Every route of the API and who may use it."""

from aiohttp import web

from media_server.api.auth import Role, only
from media_server.api.content import get_content
from media_server.api.conversations import get_conversation_messages, get_conversations
from media_server.api.events import get_events
from media_server.api.messages import get_message, get_messages, post_retry
from media_server.api.openapi import get_openapi

API_ROUTES = (
    web.get("/api/openapi.json", get_openapi),
    web.get("/api/conversations", only(Role.OPERATOR, get_conversations)),
    web.get("/api/conversations/{conversationId}/messages", only(Role.OPERATOR, get_conversation_messages)),
    web.get("/api/messages", only(Role.OPERATOR, get_messages)),
    web.get("/api/messages/{id}", only(Role.OPERATOR, get_message)),
    web.post("/api/messages/{id}/retry", only(Role.OPERATOR, post_retry)),
    web.get("/api/messages/{id}/content/{name}", only(Role.OPERATOR, get_content)),
    # signs in by itself: a browser's WebSocket cannot send the header
    web.get("/api/events", get_events, allow_head=False),
)
