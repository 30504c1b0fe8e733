"""The specification at `/api/openapi.json` (OpenAPI 3.1). A test holds it against the routes that exist."""

from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from aiohttp import web
from pydantic.json_schema import models_json_schema

from media_server.api.schemas import (
    ANSWERS,
    ConversationPage,
    Message,
    MessageMediaUpdated,
    MessagePage,
    ProblemDetails,
)
from shared.errors import ErrorCode
from shared.media import MediaStatus
from shared.model import Model

_SCHEMAS = "#/components/schemas/"
_SIGNED_IN: list[dict[str, list[str]]] = [{"bearer": []}]


async def get_openapi(_: web.Request) -> web.Response:
    """The specification; open to everyone, as it says nothing about anybody."""
    return web.json_response(specification())


@cache
def specification() -> dict[str, Any]:
    """The whole document."""
    _, components = models_json_schema(
        [(model, "serialization") for model in ANSWERS], ref_template=_SCHEMAS + "{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Attache media-server",
            "version": version("attache"),
            "description": "Attachments of WhatsApp conversations: their state, their files behind signed links, live.",
        },
        "paths": _PATHS,
        "components": {
            "schemas": components["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "OPERATOR_TOKEN or ADMIN_TOKEN"}
            },
        },
    }


def _in(place: str, name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": schema or {"type": "string"},
    }


def _answers(model: type[Model], description: str, status: int = HTTPStatus.OK) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _SCHEMAS + model.__name__}}}
    return {str(int(status)): {"description": description, "content": content}}


def _problems(**described: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": _SCHEMAS + ProblemDetails.__name__}}}
    return {name.removeprefix("status_"): {"description": text, "content": content} for name, text in described.items()}


_NO_TOKEN = _problems(status_401="no bearer token, or an unknown one", status_503="a part of the service is away")
_UNKNOWN = _problems(status_404="`not_found`: no such id")
_BAD_QUERY = _problems(status_400="`bad_request`: the detail says what would be right")
_LIMIT = _in("query", "limit", "how many items", type="integer", minimum=1, maximum=200, default=50)
_CURSOR = _in("query", "cursor", "`nextCursor` of the page before")
_ID = _in("path", "id", "our id, `m…`")
_CONVERSATION = _in("path", "conversationId", "`c…`; the id of a merged conversation keeps working")
_LINK = [
    _in("path", "token", "a JWT, HS256"),
    _in("path", "fileName", "decoration: the shown name comes from the token"),
]
_LINK_ANSWERS = {
    "200": {"description": "the file"},
    "206": {"description": "the part that `Range` names"},
    "304": {"description": "`If-None-Match` names its ETag"},
    **_problems(
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
            "security": _SIGNED_IN,
            "parameters": [_LIMIT, _CURSOR],
            "responses": _answers(ConversationPage, "a page") | _NO_TOKEN | _BAD_QUERY,
        },
    },
    "/api/conversations/{conversationId}/messages": {
        "get": {
            "summary": "A conversation's messages, newest first, each with fresh signed links",
            "security": _SIGNED_IN,
            "parameters": [_CONVERSATION, _LIMIT, _CURSOR],
            "responses": _answers(MessagePage, "a page") | _NO_TOKEN | _BAD_QUERY | _UNKNOWN,
        },
    },
    "/api/messages": {
        "get": {
            "summary": "Messages of all conversations, newest first",
            "security": _SIGNED_IN,
            "parameters": [
                _in("query", "status", "only in this state", type="string", enum=list(MediaStatus)),
                _in("query", "phoneNumberId", "only of this business number"),
                _in("query", "code", "only failed for this reason", type="string", enum=list(ErrorCode)),
                _LIMIT,
                _CURSOR,
            ],
            "responses": _answers(MessagePage, "a page") | _NO_TOKEN | _BAD_QUERY,
        },
    },
    "/api/messages/{id}": {
        "get": {
            "summary": "One message with fresh signed links",
            "security": _SIGNED_IN,
            "parameters": [_ID],
            "responses": _answers(Message, "the message") | _NO_TOKEN | _UNKNOWN,
        },
    },
    "/api/messages/{id}/retry": {
        "post": {
            "summary": "Try again what failed, was skipped or waits for a later attempt",
            "security": _SIGNED_IN,
            "parameters": [_ID],
            "responses": _answers(Message, "the message as it goes on", HTTPStatus.ACCEPTED)
            | _NO_TOKEN
            | _UNKNOWN
            | _problems(status_409="`nothing_to_retry`"),
        },
    },
    "/api/messages/{id}/content/{name}": {
        "get": {
            "summary": "To a file of the message, by an address that lasts",
            "security": _SIGNED_IN,
            "parameters": [_ID, _in("path", "name", "`original`, or a rendition's name such as `thumb`")],
            "responses": {"302": {"description": "to a fresh signed link"}}
            | _NO_TOKEN
            | _problems(
                status_404="`not_ready`, with Retry-After: it is on its way; `not_found`: no such message or rendition",
                status_410="`media_too_large`, or the code of the failure",
            ),
        },
    },
    "/api/events": {
        "get": {
            "summary": "WebSocket: every change of a message, at least once",
            "description": "Signed in by the Authorization header or the subprotocols `attache.v1, bearer.<token>`. "
            f"Each text frame is a `{MessageMediaUpdated.__name__}`. Frames may repeat: ignore a lower `revision` than "
            "seen. Closed with 1013: the client is too slow; with 1012: changes may have been missed. In both cases "
            "connect again with `since`.",
            "security": _SIGNED_IN,
            "parameters": [
                _in("query", "conversationId", "only changes of this conversation"),
                _in("query", "since", "first send what changed after this time", type="string", format="date-time"),
            ],
            "responses": {"101": {"description": "frames follow"}}
            | _NO_TOKEN
            | _BAD_QUERY
            | _UNKNOWN
            | _problems(status_403="`forbidden`: a page of another host", status_426="not a WebSocket upgrade"),
        },
    },
    "/media/{token}/{fileName}": {
        "get": {"summary": "The file behind a signed link", "parameters": _LINK, "responses": _LINK_ANSWERS},
        "head": {"summary": "The same without the bytes", "parameters": _LINK, "responses": _LINK_ANSWERS},
    },
}
