"""`POST /{phone-number-id}/messages`: what the business sends, held to Meta's rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from whatsapp_simulator.attachments import Kind
from whatsapp_simulator.graph_errors import graph_answer, graph_error
from whatsapp_simulator.media_limits import kind_of
from whatsapp_simulator.parties import BusinessNumber
from whatsapp_simulator.state import State

_MEDIA = frozenset({"image", "video", "audio", "document", "sticker"})
_OTHERS = frozenset({"text", "reaction", "location", "contacts", "interactive", "template"})
_WITHOUT_CAPTION = frozenset({"audio", "sticker"})
_MOST_CAPTION, _MOST_TEXT = 1024, 4096
_NOT_DIGITS = re.compile(r"[^0-9]")


class _Refused(Exception):
    def __init__(self, code: int, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


async def send_message(request: web.Request, state: State, number: BusinessNumber) -> web.Response:
    """Accept the message, or refuse what Meta would refuse. Accepted is not delivered: statuses follow."""
    try:
        payload = _json(await request.read())
        if payload.get("status") == "read":
            if not isinstance(payload.get("message_id"), str):
                raise _Refused(131008, "message_id is required.")
            return graph_answer({"success": True})
        key, given, to = _recipient(payload)
        _check_content(payload, state, number)
    except _Refused as refused:
        return graph_error(refused.code, details=refused.details)
    limit = state.outbox.limit_hit(number, to)
    if limit is not None:
        return graph_error(limit)
    message = state.outbox.accept(number, to, payload)
    contact = {"input": given, ("wa_id" if key == "to" else "user_id"): to}
    return graph_answer({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message.id}]})


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError as error:
        raise _Refused(100, "The body is not JSON.") from error
    if not isinstance(payload, dict) or payload.get("messaging_product") != "whatsapp":
        raise _Refused(100, "messaging_product must be whatsapp.")
    return payload


def _recipient(payload: Mapping[str, Any]) -> tuple[str, str, str]:
    """The key, the text as given, and whom it names; `to` wins over `recipient`."""
    if payload.get("recipient_type", "individual") not in {"individual", "group"}:
        raise _Refused(100, "recipient_type must be individual or group.")
    key = "to" if payload.get("to") else "recipient"
    given = payload.get(key)
    if not isinstance(given, str) or not given:
        raise _Refused(131008, "to or recipient is required.")
    if key == "recipient" or payload.get("recipient_type") == "group":
        return key, given, given
    digits = _NOT_DIGITS.sub("", given)
    if not digits:
        raise _Refused(131009, "to is not a phone number.")
    return key, given, digits


def _check_content(payload: Mapping[str, Any], state: State, number: BusinessNumber) -> None:
    kind = payload.get("type", "text")
    if not isinstance(kind, str) or kind not in _MEDIA | _OTHERS:
        raise _Refused(100, f"type must be one of {', '.join(sorted(_MEDIA | _OTHERS))}.")
    content = payload.get(kind)
    if content is None:
        raise _Refused(131008, f"{kind} is required.")
    if kind == "text":
        _check_text(content)
    if kind in _MEDIA:
        if not isinstance(content, dict):
            raise _Refused(100, f"{kind} must be an object.")
        _check_media(kind, content, state, number)


def _check_text(content: object) -> None:
    body = content.get("body") if isinstance(content, dict) else None
    if not isinstance(body, str) or not body:
        raise _Refused(131008, "text.body is required.")
    if len(body) > _MOST_TEXT:
        raise _Refused(100, f"text.body must be at most {_MOST_TEXT} characters long.")


def _check_media(kind: str, content: Mapping[str, Any], state: State, number: BusinessNumber) -> None:
    caption, link = content.get("caption"), content.get("link")
    if caption is not None and (kind in _WITHOUT_CAPTION or not isinstance(caption, str)):
        raise _Refused(100, f"Unexpected key caption on {kind}.")
    if isinstance(caption, str) and len(caption) > _MOST_CAPTION:
        raise _Refused(100, f"{kind}.caption must be at most {_MOST_CAPTION} characters long.")
    if "filename" in content and kind != "document":
        raise _Refused(100, f"Unexpected key filename on {kind}.")
    if ("id" in content) == (link is not None):
        raise _Refused(100, f"{kind} needs either id or link.")
    if link is not None:
        if not isinstance(link, str) or urlsplit(link).scheme != "https" or not urlsplit(link).hostname:
            raise _Refused(100, f"{kind}.link must be a public https URL.")
        return
    media = state.media.find(str(content["id"]))
    if media is None or media.number.phone_number_id != number.phone_number_id:
        raise _Refused(131009, f"{kind}.id names no media of this number.")
    if kind_of(media.mime_type) is not Kind(kind):
        raise _Refused(131053, f"Files of type {media.mime_type} cannot be sent as {kind}.")
