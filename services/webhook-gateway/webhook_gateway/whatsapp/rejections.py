"""Messages that Meta itself could not deliver."""

from typing import Any

from shared.events import Rejection
from shared.media import MediaKind
from webhook_gateway.whatsapp.attachments import KINDS
from webhook_gateway.whatsapp.reading import Node, identifier, node, nodes, text

_CODES = {
    "131052": "the user's media could not be downloaded by Meta, or is above 100 MB",
    "131060": "the message is not available to this API",
}
_MESSAGE_CHARACTERS = 500


def rejection_in(errors: Any) -> Rejection | None:
    """The first error that means: there was an attachment, and Meta will never hand it over."""
    for error in nodes(errors):
        code = identifier(error.get("code"))
        if code in _CODES:
            return Rejection(provider_code=int(code), message=_message(error, otherwise=_CODES[code]))
    return None


def rejected_kind(content: Node) -> MediaKind:
    """What the attachment was, as far as the message says; `document` when it does not."""
    named = (content.get("type"), node(content.get("unsupported")).get("type"))
    for name in named:
        if isinstance(name, str) and name in KINDS:
            return KINDS[name]
    return MediaKind.DOCUMENT


def _message(error: Node, *, otherwise: str) -> str:
    candidates = (
        node(error.get("error_data")).get("details"),
        *(error.get(k) for k in ("details", "message", "title")),
    )
    return next((said for c in candidates if (said := text(c, limit=_MESSAGE_CHARACTERS))), otherwise)
