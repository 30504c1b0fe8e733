"""Errors as `application/problem+json` (RFC 9457), whatever part of the server they come from."""

import json
from collections.abc import Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

log = structlog.get_logger(__name__)


def problem(status: int, code: str, title: str, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An error for people and programs."""
    return web.Response(
        status=status,
        body=json.dumps({"code": code, "title": title, "detail": detail, "status": status}).encode(),
        content_type="application/problem+json",
        headers=headers,
    )


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the web framework's own errors, and defects of ours, the same form."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        code = error.reason.lower().replace(" ", "_")
        return problem(error.status, code, error.reason, "This service has nothing here.", allow)
    except Exception:  # the outermost edge: whatever it is, the sender gets a form it can read and tries again
        log.exception("request.failed", method=request.method)
        return problem(500, "internal", "Internal error", "The request failed; it may be sent again.")
