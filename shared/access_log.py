"""One line and one span per request, without the address asked for: a signed link opens a file for whoever reads it."""

import asyncio
import logging
import time
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from opentelemetry.trace import SpanKind

from shared.ids import new_correlation_id
from shared.tracing import failed, span

log = structlog.get_logger(__name__)

TOLD: web.RequestKey[bool] = web.RequestKey("told", bool)
"""Set by a route that has written the line of its request itself, with more in it."""
_CLIENT_CLOSED = 499
"""What nginx, too, calls a request that nobody waits for any more."""
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


@web.middleware
async def access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log the route's pattern, the status and the time until the answer was ready; tie what is caused together.

    Goes on with the trace that the request's headers name. Probes and metrics have neither line nor span.
    """
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    if route in _PROBES:
        return await handler(request)
    started = time.perf_counter()
    correlation_id = new_correlation_id()
    status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
    attributes = {
        "http.request.method": request.method,
        "http.route": route,
        "attache.correlation_id": correlation_id,
    }
    with (
        structlog.contextvars.bound_contextvars(correlationId=correlation_id),
        span(
            f"{request.method} {route}", kind=SpanKind.SERVER, attributes=attributes, carrier=request.headers
        ) as current,
    ):
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        except asyncio.CancelledError:
            status = _CLIENT_CLOSED
            raise
        finally:
            current.set_attribute("http.response.status_code", status)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                failed(current, str(status))
            if TOLD not in request:
                log.log(
                    logging.WARNING if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO,
                    "request.handled",
                    method=request.method,
                    route=route,
                    status=status,
                    durationMs=round((time.perf_counter() - started) * 1000, 1),
                )
