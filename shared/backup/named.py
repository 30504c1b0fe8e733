"""Which stored files a document or a row names. Pure. As people write to documents, anything may be missing."""

from collections.abc import Iterable
from typing import Any

from bson import decode

MESSAGES, BLOBS, CONVERSATIONS = "messages", "blobs", "conversations"
WITH_FILES = (MESSAGES, BLOBS)


def id_of(raw: bytes) -> Any:
    """Of a document."""
    return decode(raw)["_id"]


def keys_of(collection: str, raw: bytes) -> frozenset[str]:
    """All files that it needs: the original and the renditions. None of a row that is being removed."""
    document = decode(raw)
    if collection == BLOBS:
        return _texts([document, *_values(document.get("renditions"))]) if _is_live(document) else frozenset()
    storage = _within(document, "media", "storage")
    return _texts([_within(storage, "original"), *_values(_within(storage, "renditions"))])


def original_of(raw: bytes) -> str | None:
    """The key of the original of a row that is live."""
    row = decode(raw)
    key = row.get("key")
    return key if _is_live(row) and isinstance(key, str) else None


def _is_live(row: dict[str, Any]) -> bool:
    return row.get("state") != "deleting"


def _texts(named: Iterable[Any]) -> frozenset[str]:
    keys = (_within(each, "key") for each in named)
    return frozenset(key for key in keys if isinstance(key, str))


def _values(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else ()


def _within(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
