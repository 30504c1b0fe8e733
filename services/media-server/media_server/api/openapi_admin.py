"""What the specification says of the routes for the role admin."""

from typing import Any

from media_server.api.openapi_parts import (
    BAD_REQUEST,
    CURSOR,
    LIMIT,
    NO_ADMIN,
    NO_TOKEN,
    SIGNED_IN,
    UNKNOWN,
    answers,
    at,
    problems,
    takes,
)
from media_server.api.schemas import (
    DeadLetterPage,
    DeadLettersReplayed,
    ReplayInput,
    Verification,
    WhatsAppInstance,
    WhatsAppInstanceInput,
    WhatsAppInstancePage,
)
from shared.dead_letters.queues import QUEUES

_REFUSED = NO_TOKEN | NO_ADMIN
_NUMBER = at("path", "phoneNumberId", "a phone number id of Meta, digits")

_QUEUE = at("query", "queue", "only of this queue", type="string", enum=list(QUEUES))
_BEING_READ = problems(status_409="`being_read`: somebody else reads these dead letters at this moment")

ADMIN_PATHS: dict[str, dict[str, Any]] = {
    "/api/whatsapp-instances": {
        "get": {
            "summary": "The business numbers, without their tokens, by phone number id",
            "security": SIGNED_IN,
            "parameters": [LIMIT, CURSOR],
            "responses": answers(WhatsAppInstancePage, "a page") | _REFUSED | BAD_REQUEST,
        },
    },
    "/api/whatsapp-instances/{phoneNumberId}": {
        "get": {
            "summary": "One business number, without its token",
            "security": SIGNED_IN,
            "parameters": [_NUMBER],
            "responses": answers(WhatsAppInstance, "the instance") | _REFUSED | UNKNOWN,
        },
        "put": {
            "summary": "Add a number; or replace its token (what failed heals), rename it, make it the default",
            "security": SIGNED_IN,
            "parameters": [_NUMBER],
            "requestBody": takes(WhatsAppInstanceInput),
            "responses": answers(WhatsAppInstance, "the instance as saved") | _REFUSED | BAD_REQUEST,
        },
        "delete": {
            "summary": "Remove a number and its token; its media is then fetched with the default's",
            "security": SIGNED_IN,
            "parameters": [_NUMBER],
            "responses": {"204": {"description": "removed"}} | _REFUSED | UNKNOWN,
        },
    },
    "/api/whatsapp-instances/{phoneNumberId}/verify": {
        "post": {
            "summary": "Ask Meta whether it takes the stored token; if it does again, what failed heals at once",
            "security": SIGNED_IN,
            "parameters": [_NUMBER],
            "responses": answers(Verification, "what Meta said") | _REFUSED | UNKNOWN,
        },
    },
    "/api/dead-letters": {
        "get": {
            "summary": "What was given up, by queue, code and number; what is done elsewhere is not counted",
            "security": SIGNED_IN,
            "parameters": [_QUEUE, LIMIT, CURSOR],
            "responses": answers(DeadLetterPage, "a page") | _REFUSED | BAD_REQUEST | _BEING_READ,
        },
        "delete": {
            "summary": "Remove all dead letters of one queue; the documents stay, and can still be retried",
            "security": SIGNED_IN,
            "parameters": [_QUEUE | {"required": True}],
            "responses": {"204": {"description": "removed"}} | _REFUSED | BAD_REQUEST | _BEING_READ,
        },
    },
    "/api/dead-letters/replay": {
        "post": {
            "summary": "Work off once more the letters that fit and are there now; answered when that is done",
            "security": SIGNED_IN,
            "requestBody": takes(ReplayInput, required=False),
            "responses": answers(DeadLettersReplayed, "what became of them") | _REFUSED | BAD_REQUEST | _BEING_READ,
        },
    },
}
