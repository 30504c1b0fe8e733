"""Answers in place of what was asked for: the faults that need neither the metadata nor the file."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

from aiohttp import web

from whatsapp_simulator.clock import Clock
from whatsapp_simulator.encoding import graph_json
from whatsapp_simulator.fault_names import FaultName, Step
from whatsapp_simulator.faults import BodyForm, Fault, RetryAfterForm
from whatsapp_simulator.graph_errors import app_usage, bad_token, business_usage, graph_error, no_such_object
from whatsapp_simulator.pages import login_page
from whatsapp_simulator.tokens import TokenProblem


def refusal(fault: Fault, *, media_id: str, clock: Clock) -> web.Response | None:
    """What this fault answers; None when it lets the right answer begin."""
    answer = (_ON_METADATA if fault.step is Step.METADATA else _ON_DOWNLOAD).get(fault.name)
    if answer is None:
        return None
    response = answer(fault, media_id)
    form = fault.body or (BodyForm.TEXT if fault.name is FaultName.NOT_JSON else None)
    if form is not None:
        response = _in_form(response, form)
    if fault.retry_after_seconds is not None and (
        fault.name is FaultName.RATE_LIMITED or fault.retry_after_form is not None
    ):
        written = fault.retry_after_form or RetryAfterForm.SECONDS
        response.headers["Retry-After"] = _retry_after(written, fault.retry_after_seconds, clock)
    return response


def unauthorized() -> web.Response:
    """The media host's answer to a bad token."""
    body = {"title": "Authentication Error", "detail": "Authentication Error", "status": 401}
    return web.Response(body=graph_json(body), status=401, content_type="application/json")


def gone() -> web.Response:
    """The media host's answer to a dead link."""
    return web.Response(status=404, text="Not Found")


def _graph_error(fault: Fault, media_id: str) -> web.Response:
    response = graph_error(
        1 if fault.code is None else fault.code,
        subcode=fault.subcode,
        status=fault.status,
        message=fault.message,
        is_transient=fault.is_transient,
        about=media_id,
    )
    return _with_usage(response, fault)


def _rate_limited(fault: Fault, media_id: str) -> web.Response:
    code = 4 if fault.code is None else fault.code
    response = graph_error(code, status=fault.status or 429)
    response.headers.update(app_usage(100) if code == 4 else business_usage(100, regain_access_minutes=0))
    return _with_usage(response, fault)


def _with_usage(response: web.Response, fault: Fault) -> web.Response:
    if fault.regain_access_minutes is not None:
        response.headers.update(business_usage(100, regain_access_minutes=fault.regain_access_minutes))
    return response


def _not_json(fault: Fault, media_id: str) -> web.Response:
    body = graph_json({"messaging_product": "whatsapp", "id": media_id})
    return web.Response(body=body, status=fault.status or 200, content_type="application/json")


def _page(fault: Fault, media_id: str) -> web.Response:
    page = login_page()
    page.set_status(fault.status or 200)
    return page


def _metadata_as_file(fault: Fault, media_id: str) -> web.Response:
    body = {"messaging_product": "whatsapp", "id": media_id, "mime_type": "application/json"}
    return web.Response(body=graph_json(body), status=fault.status or 200, content_type="application/json")


def _in_form(response: web.Response, form: BodyForm) -> web.Response:
    body = response.body if isinstance(response.body, bytes) else b""
    if form is BodyForm.JSON and not body:
        response.content_type = "application/json"
        response.body = graph_json({"title": "Error", "status": response.status})
    if form is BodyForm.HTML:
        response.content_type = "text/html"
        response.body = login_page().body
    if form is BodyForm.EMPTY:
        response.body = b""
    if form is BodyForm.TEXT:
        response.body = b"Sorry, something went wrong."
    if form is BodyForm.CUT_JSON:
        response.body = body[: len(body) // 2] or b'{"error":{'
    if form is BodyForm.WRONG_TYPES:
        response.body = b'{"error":{"message":5,"type":[],"code":"190","error_subcode":{},"is_transient":"no"}}'
    return response


def _retry_after(form: RetryAfterForm, seconds: int, clock: Clock) -> str:
    match form:
        case RetryAfterForm.SECONDS:
            return str(seconds)
        case RetryAfterForm.DATE:
            return formatdate(clock.now() + seconds, usegmt=True)
        case RetryAfterForm.FRACTION:
            return f"{seconds}.5"
        case RetryAfterForm.NEGATIVE:
            return f"-{seconds}"
        case RetryAfterForm.JUNK:
            return "soon"


_Answer = Callable[[Fault, str], web.Response]

_EITHER: dict[FaultName, _Answer] = {
    FaultName.GRAPH_ERROR: _graph_error,
    FaultName.HTTP_STATUS: lambda fault, _: web.Response(status=fault.status or 400),
    FaultName.GONE: lambda fault, _: web.Response(status=410),
    FaultName.EMPTY: lambda fault, _: web.Response(status=fault.status or 200),
    FaultName.HTML: _page,
    FaultName.NOT_JSON: _not_json,
}
_ON_METADATA: dict[FaultName, _Answer] = _EITHER | {
    FaultName.EXPIRED: lambda _, media_id: no_such_object(media_id),
    FaultName.UNAUTHORIZED: lambda *_: bad_token(TokenProblem.EXPIRED),
    FaultName.FORBIDDEN: lambda *_: graph_error(10),
    FaultName.RATE_LIMITED: _rate_limited,
    FaultName.SERVER_ERROR: lambda fault, _: graph_error(2, status=fault.status),
}
_ON_DOWNLOAD: dict[FaultName, _Answer] = _EITHER | {
    FaultName.EXPIRED: lambda *_: gone(),
    FaultName.UNAUTHORIZED: lambda *_: unauthorized(),
    FaultName.FORBIDDEN: lambda *_: web.Response(status=403),
    FaultName.RATE_LIMITED: lambda fault, _: web.Response(status=fault.status or 429),
    FaultName.SERVER_ERROR: lambda fault, _: web.Response(status=fault.status or 503),
    FaultName.JSON: _metadata_as_file,
}
