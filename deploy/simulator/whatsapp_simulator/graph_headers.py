"""The headers that every Graph answer has."""

from __future__ import annotations

from aiohttp import web

from whatsapp_simulator.state import STATE

OLDEST_LIVING_VERSION = (21, 0)


def stamp(request: web.Request, response: web.Response) -> web.Response:
    """Put version, date and usage on an answer; what it says of usage itself stays."""
    state = request.app[STATE]
    asked = (int(request.match_info["major"]), int(request.match_info["minor"]))
    served = max(asked, OLDEST_LIVING_VERSION)  # a dead version is answered by the oldest living one
    response.headers["facebook-api-version"] = f"v{served[0]}.{served[1]}"
    response.headers["Date"] = state.clock.http_date()
    for name, value in state.limiter.headers().items():
        response.headers.setdefault(name, value)
    return response
