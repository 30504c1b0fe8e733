"""The Graph API's media endpoints: metadata and deletion."""

from __future__ import annotations

import asyncio

from aiohttp import web

from whatsapp_simulator import graph_errors
from whatsapp_simulator.connection import reset_connection
from whatsapp_simulator.faults import Fault, FaultName, Step
from whatsapp_simulator.media import LINK_LIFETIME_SECONDS, Media, SizeForm
from whatsapp_simulator.pages import login_page
from whatsapp_simulator.state import STATE, State
from whatsapp_simulator.tokens import TokenProblem

OLDEST_LIVING_VERSION = (21, 0)
_VERSIONED = r"/v{major:\d+}.{minor:\d+}/{media_id}"


def add_graph_routes(app: web.Application) -> None:
    """Versioned paths only. To be added last: what no other route takes is answered as Graph answers it."""
    app.router.add_get(_VERSIONED, metadata, allow_head=False)
    app.router.add_delete(_VERSIONED, delete)
    app.router.add_route("*", "/{path:.*}", _unknown)


async def metadata(request: web.Request) -> web.Response:
    """`GET /{version}/{media-id}`: where the file is for the next five minutes, and what it is."""
    state, media_id = request.app[STATE], request.match_info["media_id"]
    media = _authorized_media(request, state, media_id)
    fault = state.faults.take(media_id, Step.METADATA) if isinstance(media, Media) else None
    if fault is not None and fault.name is FaultName.SLOW:
        await asyncio.sleep(fault.delay_seconds)
        fault = None
    if fault is not None:
        response = _faulty(request, media_id, fault)
    elif isinstance(media, TokenProblem):
        response = graph_errors.bad_token(media)
    elif media is None:
        response = graph_errors.no_such_object(media_id)
    else:
        response = _described(request, state, media)
    state.requests.note(Step.METADATA, media_id, response.status)
    return _stamped(request, state, response)


async def delete(request: web.Request) -> web.Response:
    """`DELETE /{version}/{media-id}`."""
    state, media_id = request.app[STATE], request.match_info["media_id"]
    found = _authorized_media(request, state, media_id)
    if isinstance(found, TokenProblem):
        response = graph_errors.bad_token(found)
    elif found is None:
        response = graph_errors.unknown_on_delete()
    else:
        state.media.delete(media_id)
        response = graph_errors.graph_answer({"success": True})
    return _stamped(request, state, response)


async def _unknown(request: web.Request) -> web.Response:
    return graph_errors.unknown_path()


def _authorized_media(request: web.Request, state: State, media_id: str) -> Media | TokenProblem | None:
    numbers = state.tokens.readable_numbers(request.headers.get("Authorization"))
    if isinstance(numbers, TokenProblem):
        return numbers
    media = state.media.find(media_id)
    if media is None or media.number.phone_number_id not in numbers:
        return None
    asked_for = request.query.get("phone_number_id", media.number.phone_number_id)
    return media if asked_for == media.number.phone_number_id else None


def _described(request: web.Request, state: State, media: Media) -> web.Response:
    expires_at = int(state.clock.now()) + LINK_LIFETIME_SECONDS
    answer: dict[str, object] = {
        "messaging_product": "whatsapp",
        "url": str(request.url.origin()) + state.links.path(media.id, source="getMedia", expires_at=expires_at),
        "mime_type": media.mime_type,
        "sha256": media.sha256,
        "file_size": str(media.content.size_bytes) if media.size_form is SizeForm.TEXT else media.content.size_bytes,
        "id": media.id,
    }
    if media.size_form is SizeForm.ABSENT:
        del answer["file_size"]
    keys = list(answer)
    turn = state.requests.metadata(media.id) % len(keys)  # the order of keys is not Meta's promise: vary it
    return graph_errors.graph_answer({key: answer[key] for key in keys[turn:] + keys[:turn]})


def _faulty(request: web.Request, media_id: str, fault: Fault) -> web.Response:
    match fault.name:
        case FaultName.UNAUTHORIZED:
            return graph_errors.bad_token(TokenProblem.EXPIRED)
        case FaultName.RATE_LIMITED:
            return graph_errors.rate_limited(fault.retry_after_seconds)
        case FaultName.SERVER_ERROR:
            return graph_errors.transient(fault.status)
        case FaultName.HTML:
            return login_page()
        case FaultName.RESET:
            reset_connection(request)
            return web.Response()  # for the log: nobody receives it
        case _:
            return graph_errors.no_such_object(media_id)


def _stamped(request: web.Request, state: State, response: web.Response) -> web.Response:
    asked = (int(request.match_info["major"]), int(request.match_info["minor"]))
    served = max(asked, OLDEST_LIVING_VERSION)  # a dead version is answered by the oldest living one
    response.headers["facebook-api-version"] = f"v{served[0]}.{served[1]}"
    response.headers["Date"] = state.clock.http_date()
    return response
