"""Every route of the API and who may use it."""

from aiohttp import web

from media_server.api.auth import Role, only
from media_server.api.content import get_content
from media_server.api.conversations import get_conversation_messages, get_conversations
from media_server.api.dead_letters import delete_dead_letters, get_dead_letters, post_replay
from media_server.api.events import get_events
from media_server.api.instances import delete_instance, get_instance, get_instances, post_verify, put_instance
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
    web.get("/api/whatsapp-instances", only(Role.ADMIN, get_instances)),
    web.get("/api/whatsapp-instances/{phoneNumberId}", only(Role.ADMIN, get_instance)),
    web.put("/api/whatsapp-instances/{phoneNumberId}", only(Role.ADMIN, put_instance)),
    web.delete("/api/whatsapp-instances/{phoneNumberId}", only(Role.ADMIN, delete_instance)),
    web.post("/api/whatsapp-instances/{phoneNumberId}/verify", only(Role.ADMIN, post_verify)),
    web.get("/api/dead-letters", only(Role.ADMIN, get_dead_letters)),
    web.delete("/api/dead-letters", only(Role.ADMIN, delete_dead_letters)),
    web.post("/api/dead-letters/replay", only(Role.ADMIN, post_replay)),
    # signs in by itself: a browser's WebSocket cannot send the header
    web.get("/api/events", get_events, allow_head=False),
)
