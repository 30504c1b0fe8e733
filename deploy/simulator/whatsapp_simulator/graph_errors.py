"""The error answers of the Graph API."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from aiohttp import web

from whatsapp_simulator.encoding import graph_json
from whatsapp_simulator.tokens import TokenProblem


def graph_answer(payload: Mapping[str, object], *, status: int = 200) -> web.Response:
    """JSON in Meta's form, with the headers that every Graph answer has."""
    return web.Response(body=graph_json(payload), status=status, content_type="application/json", charset="UTF-8")


def bad_token(problem: TokenProblem) -> web.Response:
    """401 with code 190."""
    if problem is TokenProblem.EXPIRED:
        message = "Error validating access token: Session has expired on Monday, 21-Sep-26 10:00:00 PDT."
        return _error(401, message, code=190, subcode=463)
    return _error(401, "Invalid OAuth access token - Cannot parse access token", code=190)


def no_such_object(media_id: str, method: str = "get") -> web.Response:
    """400 with code 100/33: unknown, deleted, too old, or of a number that this token may not read."""
    message = (
        f"Unsupported {method} request. Object with ID '{media_id}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation"
    )
    return _error(400, message, code=100, subcode=33, kind="GraphMethodException")


def unknown_on_delete() -> web.Response:
    """400 with code 100, as recorded for the deletion of an unknown id."""
    return _error(400, "(#100) Invalid parameter", code=100)


def unknown_path() -> web.Response:
    """400 with code 2500: no version, or nothing that this API has."""
    return _error(400, "Unknown path components", code=2500)


def transient(status: int) -> web.Response:
    """5xx with code 2 and `is_transient`."""
    message = "An unexpected error has occurred. Please retry your request later."
    return _error(status, message, code=2, is_transient=True)


def rate_limited(retry_after_seconds: int | None) -> web.Response:
    """429 with code 4 and the usage header of an application that is over its limit."""
    response = _error(429, "(#4) Application request limit reached", code=4, is_transient=True)
    response.headers["X-App-Usage"] = json.dumps({"call_count": 100, "total_time": 25, "total_cputime": 25})
    if retry_after_seconds is not None:
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response


def _error(
    status: int,
    message: str,
    *,
    code: int,
    subcode: int | None = None,
    kind: str = "OAuthException",
    is_transient: bool = False,
) -> web.Response:
    error: dict[str, object] = {"message": message, "type": kind, "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    if is_transient:
        error["is_transient"] = True
    return graph_answer({"error": error | {"fbtrace_id": f"A{secrets.token_urlsafe(16)}"}}, status=status)
