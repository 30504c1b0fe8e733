"""Reading JSON that may hold anything anywhere: a usable value comes out, or nothing does.

Nothing here raises but `parse_json`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Node = Mapping[str, Any]

# half of a surrogate pair cannot be written as UTF-8, and NUL not as a BSON name or a C string
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
# ids are opaque and long ones are legal, yet a megabyte is not an id
_IDENTIFIER_CHARACTERS = 2048
_WHOLE_NUMBER_CHARACTERS = 18
_END_OF_YEAR_9999 = 253_402_300_800
_PHONE = re.compile(r"[+\d][\d\s().-]*")


def parse_json(source: str) -> Any:
    """The value, or `ValueError` for whatever is not JSON or nested too deeply.

    A number too long for a database stays text: Python would refuse a very long one, and all its neighbours with it.
    """
    try:
        return json.loads(source, parse_int=_whole_number_or_text)
    except RecursionError:
        msg = "nested too deeply"
        raise ValueError(msg) from None


def node(value: Any) -> Node:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> Sequence[Any] | None:
    """The items of a list; a lone object is a list of one, null is none. `None`: this is no list."""
    if value is None:
        return ()
    if isinstance(value, dict):
        return (value,)
    return value if isinstance(value, list) else None


def nodes(value: Any) -> Sequence[Node]:
    """The objects in a list; whatever else stands there is left out."""
    return [item for item in listed(value) or () if isinstance(item, dict)]


def text(value: Any, *, limit: int) -> str | None:
    """What a person wrote, cut to `limit` characters and safe to encode; blank is nothing."""
    if not isinstance(value, str):
        return None
    safe = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", value[:limit])
    return safe if safe.strip() else None


def identifier(value: Any) -> str | None:
    """An opaque id. Meta writes them as strings; a number is taken for its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or len(value) > _IDENTIFIER_CHARACTERS:
        return None
    return text(value, limit=_IDENTIFIER_CHARACTERS)


def phone(value: Any) -> str | None:
    """The digits of a phone number, however it is written; anything else stays as it is."""
    found = identifier(value)
    if found is None or not _PHONE.fullmatch(found):
        return found
    return re.sub(r"\D", "", found) or None


def moment(value: Any, *, otherwise: datetime) -> datetime:
    """Unix seconds as a string or number; junk gives `otherwise`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return otherwise
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return otherwise
    if not 0 < seconds < _END_OF_YEAR_9999:  # false for NaN too
        return otherwise
    return datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC)


def _whole_number_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) <= _WHOLE_NUMBER_CHARACTERS else digits
