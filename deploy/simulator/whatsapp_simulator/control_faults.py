"""Control of what goes wrong, and the counts that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from whatsapp_simulator.control_input import read_limit
from whatsapp_simulator.control_media import Routes
from whatsapp_simulator.fault_input import fault_json, read_faults
from whatsapp_simulator.fault_names import FAULTS
from whatsapp_simulator.fault_plan import EVERYWHERE

if TYPE_CHECKING:
    from whatsapp_simulator.simulator import Simulator


class FaultControl:
    """`faults`, `fault-names`, `limit`, `requests`."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> Routes:
        """By method and path."""
        return {
            ("GET", "fault-names"): self._names,
            ("GET", "faults"): self._faults,
            ("PUT", "faults"): self._put_faults,
            ("PUT", "faults/{media_id}"): self._put_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("PUT", "limit"): self._limit,
            ("DELETE", "limit"): self._lift_limit,
            ("GET", "requests"): self._requests,
            ("DELETE", "requests"): self._clear_requests,
        }

    async def _names(self, request: web.Request, body: object) -> web.Response:
        return web.json_response({name: kind.words for name, kind in FAULTS.items()})

    async def _faults(self, request: web.Request, body: object) -> web.Response:
        planned = self._simulator.faults.planned()
        return web.json_response(
            {media_id: [fault_json(fault) for fault in faults] for media_id, faults in planned.items()}
        )

    async def _put_faults(self, request: web.Request, body: object) -> web.Response:
        self._simulator.faults.put(request.match_info.get("media_id", EVERYWHERE), *read_faults(body))
        return web.Response(status=204)

    async def _clear_faults(self, request: web.Request, body: object) -> web.Response:
        self._simulator.faults.clear()
        return web.Response(status=204)

    async def _limit(self, request: web.Request, body: object) -> web.Response:
        self._simulator.limit(read_limit(body))
        return web.Response(status=204)

    async def _lift_limit(self, request: web.Request, body: object) -> web.Response:
        self._simulator.limit(None)
        return web.Response(status=204)

    async def _requests(self, request: web.Request, body: object) -> web.Response:
        struck = self._simulator.faults.struck()
        return web.json_response(self._simulator.requests.as_json() | ({"faults": struck} if struck else {}))

    async def _clear_requests(self, request: web.Request, body: object) -> web.Response:
        self._simulator.requests.clear()
        return web.Response(status=204)
