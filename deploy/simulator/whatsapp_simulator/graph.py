"""The Graph API's paths: versioned ones only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from whatsapp_simulator.graph_errors import bad_token, no_such_object, unknown_path
from whatsapp_simulator.graph_headers import stamp
from whatsapp_simulator.graph_media import delete, metadata
from whatsapp_simulator.outbound import send_message
from whatsapp_simulator.parties import BusinessNumber
from whatsapp_simulator.state import STATE, State
from whatsapp_simulator.tokens import TokenProblem
from whatsapp_simulator.uploads import upload

_OBJECT = r"/v{major:\d+}.{minor:\d+}/{object_id}"


def add_graph_routes(app: web.Application) -> None:
    """To be added last: what no other route takes is answered as Graph answers it."""
    app.router.add_get(_OBJECT, metadata, allow_head=False)
    app.router.add_delete(_OBJECT, delete)
    app.router.add_post(f"{_OBJECT}/media", _for_number(upload))
    app.router.add_post(f"{_OBJECT}/messages", _for_number(send_message))
    app.router.add_route("*", "/{path:.*}", _unknown)


async def _unknown(request: web.Request) -> web.Response:
    return unknown_path()


def _for_number(
    handler: Callable[[web.Request, State, BusinessNumber], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Let only those in who may use the number that the path names."""

    async def handle(request: web.Request) -> web.Response:
        state, number_id = request.app[STATE], request.match_info["object_id"]
        allowed = state.tokens.readable_numbers(request.headers.get("Authorization"))
        number = state.numbers.get(number_id)
        over_limit = state.limiter.refusal()
        if over_limit is not None:
            response = over_limit
        elif isinstance(allowed, TokenProblem):
            response = bad_token(allowed)
        elif number is None or number_id not in allowed:
            response = no_such_object(number_id, "post")
        else:
            response = await handler(request, state, number)
        return stamp(request, response)

    return handle
