"""Our own ids: URL-safe, short, and for attachments derived, so that a repeated webhook finds its document again."""

import hashlib
import secrets
from base64 import b32encode


def media_id(*, phone_number_id: str, message_id: str, provider_media_id: str | None) -> str:
    """`m…` for one attachment. The same three facts give the same id for ever; one message may own several media."""
    facts = (phone_number_id, message_id, provider_media_id or "")
    # the length before each fact keeps ("a", "bc") and ("ab", "c") apart
    text = "".join(f"{len(fact)}:{fact}" for fact in facts)
    return "m" + _base32(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:20])


def new_conversation_id() -> str:
    """`c…`, random: a conversation outlives every identity it could be derived from."""
    return "c" + _base32(secrets.token_bytes(15))


def new_correlation_id() -> str:
    """Ties together everything that one webhook delivery or one command sets in motion."""
    return _base32(secrets.token_bytes(10))


def _base32(raw: bytes) -> str:
    return b32encode(raw).decode().rstrip("=").lower()
