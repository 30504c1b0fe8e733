"""Reading the query of a list: what is wrong is answered with what would be right."""

from enum import StrEnum
from typing import TypeVar

from aiohttp import web

from media_server.problems import bad_request

_DEFAULT_LIMIT, _MOST = 50, 200

Choice = TypeVar("Choice", bound=StrEnum)


def limit(request: web.Request) -> int:
    """`limit`, 1 to 200."""
    text = request.query.get("limit", str(_DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)) and 1 <= int(text) <= _MOST):
        msg = f"limit is a whole number from 1 to {_MOST}, and {_DEFAULT_LIMIT} when left out"
        raise bad_request(msg)
    return int(text)


def one_of(request: web.Request, name: str, choices: type[Choice]) -> Choice | None:
    """A filter with known values; None when left out."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return choices(text)
    except ValueError:
        msg = f"{name} is one of {', '.join(choices)}"
        raise bad_request(msg) from None
