"""The control API below `/_control`: what Python code can do with a `Simulator`, over HTTP, while it runs as a process.

Bodies must be `application/json`: a web page that the developer visits cannot send that across origins.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from whatsapp_simulator.control_faults import FaultControl
from whatsapp_simulator.control_media import MediaControl, Routes
from whatsapp_simulator.control_sending import SendingControl
from whatsapp_simulator.json_fields import BadInput

if TYPE_CHECKING:
    from whatsapp_simulator.simulator import Simulator


class ControlRoutes:
    """Each route calls what Python code would call on the `Simulator`."""

    def __init__(self, simulator: Simulator) -> None:
        self._groups = (MediaControl(simulator), FaultControl(simulator), SendingControl(simulator))

    def routes(self) -> Routes:
        """All of them, by method and path below `/_control`."""
        return {where: handler for group in self._groups for where, handler in group.routes().items()}

    def add_to(self, app: web.Application) -> None:
        """Add the routes below `/_control`."""
        for (method, path), handler in self.routes().items():
            app.router.add_route(method, f"/_control/{path}", _explaining(handler))


def _explaining(
    handler: Callable[[web.Request, object], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def explained(request: web.Request) -> web.Response:
        try:
            return await handler(request, await _body(request) if request.method in {"POST", "PUT"} else None)
        except BadInput as error:
            return web.json_response({"error": str(error)}, status=400)

    return explained


async def _body(request: web.Request) -> object:
    if request.content_type != "application/json":
        raise BadInput("Content-Type: application/json expected")
    try:
        body: object = json.loads(await request.read())
    except ValueError as error:
        raise BadInput("the body is not JSON") from error
    return body
