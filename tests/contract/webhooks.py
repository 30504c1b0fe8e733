"""Webhooks as Meta sends them, written out here and signed by the standard library alone."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

from whatsapp_simulator import Media

PHONE = "15550177331"
NAME = "Zebulon Quartzwright"
USERNAME = "zebulon.quartz"
CAPTION = "Kaleidoscope greetings, unmistakably mine"
FILE_NAME = "Quartzwright medical findings.pdf"
PERSONAL = (PHONE, NAME, USERNAME, CAPTION, FILE_NAME, "Quartzwright", "Kaleidoscope", "zebulon")
"""What no log, metric, probe or error may show. Parts of the texts, too, as an error may quote the middle of one."""

BUSINESS_NUMBER = "15550100001"


def new_wamid() -> str:
    """An id that nobody else in this session has."""
    return "wamid." + base64.b64encode(secrets.token_bytes(30)).decode()


def media_message(media: Media, **more: Any) -> dict[str, Any]:
    """An entry of `messages[]` that announces this media; `more` goes into its media object."""
    kind = "audio" if media.kind.value == "voice" else media.kind.value
    digest = base64.b64encode(media.content.digest).decode()
    return {
        "from": PHONE,
        "id": new_wamid(),
        "timestamp": str(int(time.time())),
        "type": kind,
        kind: {"id": media.id, "mime_type": media.mime_type, "sha256": digest, **more},
    }


def webhook(*messages: Any, phone_number_id: str, contacts: bool = True) -> bytes:
    """A body with these messages of one customer."""
    contact = {"profile": {"name": NAME, "username": USERNAME}, "wa_id": PHONE}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": BUSINESS_NUMBER, "phone_number_id": phone_number_id},
        **({"contacts": [contact]} if contacts else {}),
        "messages": list(messages),
    }
    return enveloped(value)


def status_webhook(*, phone_number_id: str) -> bytes:
    """A delivery status: no media, nothing to publish."""
    status = {"id": new_wamid(), "status": "delivered", "timestamp": str(int(time.time())), "recipient_id": PHONE}
    return enveloped(
        {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": BUSINESS_NUMBER, "phone_number_id": phone_number_id},
            "statuses": [status],
        }
    )


def enveloped(value: Any) -> bytes:
    """The body around one change of the field `messages`."""
    entry = {"id": "100200300400500", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def signed(body: bytes, app_secret: str) -> dict[str, str]:
    """The headers of Meta's POST."""
    digest = hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}
