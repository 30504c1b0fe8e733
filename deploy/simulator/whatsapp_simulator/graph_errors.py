"""The error answers of the Graph API."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from aiohttp import web

from whatsapp_simulator.encoding import graph_json
from whatsapp_simulator.graph_codes import look_up
from whatsapp_simulator.tokens import TokenProblem

_BUSINESS = "100200300400500"


def graph_answer(payload: Mapping[str, object], *, status: int = 200) -> web.Response:
    """JSON in Meta's form, with the headers that every Graph answer has."""
    return web.Response(body=graph_json(payload), status=status, content_type="application/json", charset="UTF-8")


def graph_error(
    code: int,
    *,
    subcode: int | None = None,
    status: int | None = None,
    message: str | None = None,
    details: str | None = None,
    is_transient: bool | None = None,
    about: str = "",
) -> web.Response:
    """An error by its code; what is not given is as Meta usually has it. `about`: the id that was asked for."""
    known = look_up(code, subcode, about=about)
    kind = "GraphMethodException" if (code, subcode) == (100, 33) else "OAuthException"
    error: dict[str, object] = {"message": message or known.message, "type": kind, "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    if known.is_transient if is_transient is None else is_transient:
        error["is_transient"] = True
    if details or known.details:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details or known.details}
    error["fbtrace_id"] = f"A{secrets.token_urlsafe(16)}"
    return graph_answer({"error": error}, status=status or known.status)


def bad_token(problem: TokenProblem) -> web.Response:
    """401 with code 190."""
    return graph_error(190, subcode=463 if problem is TokenProblem.EXPIRED else None)


def no_such_object(object_id: str, method: str = "get") -> web.Response:
    """400 with code 100/33: unknown, deleted, too old, or of a number that this token may not read."""
    known = look_up(100, 33, about=object_id)
    return graph_error(100, subcode=33, message=known.message.replace("get", method, 1))


def unknown_on_delete() -> web.Response:
    """400 with code 100, as recorded for the deletion of an unknown id."""
    return graph_error(100)


def unknown_path() -> web.Response:
    """400 with code 2500: no version, or nothing that this API has."""
    return graph_error(2500)


def app_usage(percent: int) -> dict[str, str]:
    """`X-App-Usage`: percent of what the app may ask."""
    return {"X-App-Usage": json.dumps({"call_count": percent, "total_time": 25, "total_cputime": 25})}


def business_usage(percent: int, *, regain_access_minutes: int) -> dict[str, str]:
    """`X-Business-Use-Case-Usage`: percent of what the business may ask, and when it may ask again."""
    usage = {
        "type": "whatsapp",
        "call_count": percent,
        "total_cputime": 5,
        "total_time": 7,
        "estimated_time_to_regain_access": regain_access_minutes,
    }
    return {"X-Business-Use-Case-Usage": json.dumps({_BUSINESS: [usage]})}
