"""Graph's media endpoints: metadata and deletion."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from whatsapp_simulator.bodies import send
from whatsapp_simulator.connection import reset_connection
from whatsapp_simulator.detours import came_by_redirect, next_hop, redirect
from whatsapp_simulator.encoding import graph_json
from whatsapp_simulator.faults import Fault, FaultName, Step
from whatsapp_simulator.graph_errors import bad_token, graph_answer, no_such_object, unknown_on_delete
from whatsapp_simulator.graph_headers import stamp
from whatsapp_simulator.media import LINK_LIFETIME_SECONDS, Media, SizeForm
from whatsapp_simulator.metadata_lies import told
from whatsapp_simulator.outgoing import Outgoing
from whatsapp_simulator.parties import BusinessNumber
from whatsapp_simulator.refusals import refusal
from whatsapp_simulator.state import STATE, State
from whatsapp_simulator.tokens import TokenProblem


async def metadata(request: web.Request) -> web.StreamResponse:
    """`GET /{version}/{media-id}`: where the file is for the next five minutes, and what it is."""
    state, media_id = request.app[STATE], request.match_info["object_id"]
    if media_id in state.numbers:
        return stamp(request, _number(request, state, state.numbers[media_id]))
    found = _authorized_media(request, state, media_id)
    over_limit = state.limiter.refusal()
    fault = None
    if isinstance(found, Media) and over_limit is None and not came_by_redirect(request):
        fault = state.faults.take(media_id, Step.METADATA)
    if fault is not None and fault.name is FaultName.SLOW:
        await asyncio.sleep(fault.delay_seconds)
    response = over_limit or _answer(request, state, media_id, found, fault)
    state.requests.note(Step.METADATA, media_id, response.status, request)
    stamp(request, response)
    if fault is not None and fault.name is FaultName.RESET and fault.after_bytes is None:
        reset_connection(request)
        return response  # nobody receives it
    return await send(request, Outgoing.of(response), fault)


async def delete(request: web.Request) -> web.Response:
    """`DELETE /{version}/{media-id}`."""
    state, media_id = request.app[STATE], request.match_info["object_id"]
    found = _authorized_media(request, state, media_id)
    over_limit = state.limiter.refusal()
    if over_limit is not None:
        response = over_limit
    elif isinstance(found, TokenProblem):
        response = bad_token(found)
    elif found is None:
        response = unknown_on_delete()
    else:
        state.media.delete(media_id)
        response = graph_answer({"success": True})
    return stamp(request, response)


def _answer(
    request: web.Request, state: State, media_id: str, found: Media | TokenProblem | None, fault: Fault | None
) -> web.Response:
    if isinstance(found, TokenProblem):
        return bad_token(found)
    if found is None:
        return no_such_object(media_id)
    hop = next_hop(request)
    if hop is not None:
        return hop
    if fault is None:
        return _described(request, state, found, None)
    if fault.name is FaultName.REDIRECT:
        return redirect(request, fault, elsewhere=request.path_qs)
    return refusal(fault, media_id=media_id, clock=state.clock) or _described(request, state, found, fault)


def _authorized_media(request: web.Request, state: State, media_id: str) -> Media | TokenProblem | None:
    numbers = state.tokens.readable_numbers(request.headers.get("Authorization"))
    if isinstance(numbers, TokenProblem):
        return numbers
    media = state.media.find(media_id)
    if media is None or media.number.phone_number_id not in numbers:
        return None
    asked_for = request.query.get("phone_number_id", media.number.phone_number_id)
    return media if asked_for == media.number.phone_number_id else None


def _described(request: web.Request, state: State, media: Media, fault: Fault | None) -> web.Response:
    path = state.links.path(media.id, source="getMedia", expires_at=int(state.clock.now()) + LINK_LIFETIME_SECONDS)
    described: dict[str, object] = {
        "messaging_product": "whatsapp",
        "url": f"{request.url.origin()}{path}",
        "mime_type": media.mime_type,
        "sha256": media.sha256,
        "file_size": str(media.content.size_bytes) if media.size_form is SizeForm.TEXT else media.content.size_bytes,
        "id": media.id,
    }
    if media.size_form is SizeForm.ABSENT:
        del described["file_size"]
    answer = described if fault is None else told(described, fault, origin=request.url.origin(), path=path)
    if not isinstance(answer, dict):
        return web.Response(text=json.dumps(answer), content_type="application/json")
    keys = list(answer)
    turn = state.requests.metadata(media.id) % max(len(keys), 1)  # the order of keys is not Meta's promise: vary it
    body = graph_json({key: answer[key] for key in keys[turn:] + keys[:turn]})
    return web.Response(body=body, content_type="application/json", charset="UTF-8")


def _number(request: web.Request, state: State, number: BusinessNumber) -> web.Response:
    numbers = state.tokens.readable_numbers(request.headers.get("Authorization"))
    if isinstance(numbers, TokenProblem):
        return bad_token(numbers)
    if number.phone_number_id not in numbers:
        return no_such_object(number.phone_number_id)
    return state.limiter.refusal() or graph_answer(
        {
            "verified_name": "Simulated Business",
            "display_phone_number": number.display_phone_number,
            "quality_rating": "GREEN",
            "id": number.phone_number_id,
        }
    )
