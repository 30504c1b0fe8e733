"""The specification at `/api/openapi.json` (OpenAPI 3.1). A test holds it against the routes that exist."""

from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from aiohttp import web
from pydantic.json_schema import models_json_schema

from media_server.api.openapi_admin import ADMIN_PATHS
from media_server.api.openapi_parts import (
    BAD_REQUEST,
    CURSOR,
    LIMIT,
    NO_TOKEN,
    SCHEMAS,
    SIGNED_IN,
    UNKNOWN,
    answers,
    at,
    problems,
)
from media_server.api.schemas import (
    ANSWERS,
    REQUESTS,
    ConversationPage,
    Message,
    MessageErased,
    MessageMediaUpdated,
    MessagePage,
)
from shared.errors import ErrorCode
from shared.media import MediaStatus


async def get_openapi(_: web.Request) -> web.Response:
    """The specification; open to everyone, as it says nothing about anybody."""
    return web.json_response(specification())


@cache
def specification() -> dict[str, Any]:
    """The whole document."""
    _, components = models_json_schema(
        [*((model, "serialization") for model in ANSWERS), *((model, "validation") for model in REQUESTS)],
        ref_template=SCHEMAS + "{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Attache media-server",
            "version": version("attache"),
            "description": "Attachments of WhatsApp conversations: their state, their files behind signed links, live.",
        },
        "paths": _PATHS | ADMIN_PATHS,
        "components": {
            "schemas": components["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "OPERATOR_TOKEN or ADMIN_TOKEN"}
            },
        },
    }


_ID = at("path", "id", "our id, `m…`")
_CONVERSATION = at("path", "conversationId", "`c…`; the id of a merged conversation keeps working")
_LINK = [
    at("path", "token", "a JWT, HS256"),
    at("path", "fileName", "decoration: the shown name comes from the token"),
]
_LINK_ANSWERS = {
    "200": {"description": "the file"},
    "206": {"description": "the part that `Range` names"},
    "304": {"description": "`If-None-Match` names its ETag"},
    **problems(
        status_401="`token_expired`",
        status_403="`bad_signature` or `malformed`",
        status_404="`not_found`: the bytes are gone",
        status_412="`If-Match` names another ETag",
        status_416="the file ends before the range begins",
        status_503="the store cannot be read",
    ),
}

_PATHS: dict[str, dict[str, Any]] = {
    "/api/openapi.json": {
        "get": {"summary": "This document", "responses": {"200": {"description": "OpenAPI 3.1"}}},
    },
    "/api/conversations": {
        "get": {
            "summary": "Conversations, the one that moved last first",
            "security": SIGNED_IN,
            "parameters": [LIMIT, CURSOR],
            "responses": answers(ConversationPage, "a page") | NO_TOKEN | BAD_REQUEST,
        },
    },
    "/api/conversations/{conversationId}/messages": {
        "get": {
            "summary": "A conversation's messages, newest first, each with fresh signed links",
            "security": SIGNED_IN,
            "parameters": [_CONVERSATION, LIMIT, CURSOR],
            "responses": answers(MessagePage, "a page") | NO_TOKEN | BAD_REQUEST | UNKNOWN,
        },
    },
    "/api/messages": {
        "get": {
            "summary": "Messages of all conversations, newest first",
            "security": SIGNED_IN,
            "parameters": [
                at("query", "status", "only in this state", type="string", enum=list(MediaStatus)),
                at("query", "phoneNumberId", "only of this business number"),
                at("query", "code", "only failed for this reason", type="string", enum=list(ErrorCode)),
                LIMIT,
                CURSOR,
            ],
            "responses": answers(MessagePage, "a page") | NO_TOKEN | BAD_REQUEST,
        },
    },
    "/api/messages/{id}": {
        "get": {
            "summary": "One message with fresh signed links",
            "security": SIGNED_IN,
            "parameters": [_ID],
            "responses": answers(Message, "the message") | NO_TOKEN | UNKNOWN,
        },
    },
    "/api/messages/{id}/retry": {
        "post": {
            "summary": "Try again what failed, was skipped or waits for a later attempt",
            "security": SIGNED_IN,
            "parameters": [_ID],
            "responses": answers(Message, "the message as it goes on", HTTPStatus.ACCEPTED)
            | NO_TOKEN
            | UNKNOWN
            | problems(status_409="`nothing_to_retry`"),
        },
    },
    "/api/messages/{id}/content/{name}": {
        "get": {
            "summary": "To a file of the message, by an address that lasts",
            "security": SIGNED_IN,
            "parameters": [_ID, at("path", "name", "`original`, or a rendition's name such as `thumb`")],
            "responses": {"302": {"description": "to a fresh signed link"}}
            | NO_TOKEN
            | problems(
                status_404="`not_ready`, with Retry-After: it is on its way; `not_found`: no such message or rendition",
                status_410="`media_too_large`, or the code of the failure",
            ),
        },
    },
    "/api/events": {
        "get": {
            "summary": "WebSocket: every change of a message, at least once",
            "description": "Signed in by the Authorization header or the subprotocols `attache.v1, bearer.<token>`. "
            f"Each text frame is a `{MessageMediaUpdated.__name__}` or a `{MessageErased.__name__}`. Frames may "
            "repeat: ignore a lower `revision` than seen. Closed with 1013: the client is too slow; with 1012: changes "
            "may have been missed. In both cases connect again with `since`.",
            "security": SIGNED_IN,
            "parameters": [
                at("query", "conversationId", "only changes of this conversation"),
                at("query", "since", "first send what changed after this time", type="string", format="date-time"),
            ],
            "responses": {"101": {"description": "frames follow"}}
            | NO_TOKEN
            | BAD_REQUEST
            | UNKNOWN
            | problems(status_403="`forbidden`: a page of another host", status_426="not a WebSocket upgrade"),
        },
    },
    "/media/{token}/{fileName}": {
        "get": {"summary": "The file behind a signed link", "parameters": _LINK, "responses": _LINK_ANSWERS},
        "head": {"summary": "The same without the bytes", "parameters": _LINK, "responses": _LINK_ANSWERS},
    },
}
