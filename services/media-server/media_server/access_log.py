"""One line per request, without the address asked for: a signed link opens a file for whoever reads it."""

import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from shared.ids import new_correlation_id

log = structlog.get_logger(__name__)

_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


@web.middleware
async def access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log the route's pattern, the status and the time until the answer was ready; tie what is caused together."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    if route in _PROBES:
        return await handler(request)
    started = time.perf_counter()
    with structlog.contextvars.bound_contextvars(correlationId=new_correlation_id()):
        response = await handler(request)
        log.info(
            "request.handled",
            method=request.method,
            route=route,
            status=response.status,
            durationMs=round((time.perf_counter() - started) * 1000, 1),
        )
        return response
