"""The control API: add media, plan faults, send webhooks and read the counts while the simulator runs as a process.

    GET    /_control/samples                     names for `sample`
    GET    /_control/media                       what is held
    POST   /_control/media                       {"sample", "sizeBytes"?, "seed"?} or
                                                 {"kind", "mimeType", "base64", "filename"?};
                                                 with either: "phoneNumberId"?, "faults"?
    GET    /_control/faults                      what is planned, by media id
    PUT    /_control/faults/{mediaId}            [{"name", "times"?, "at"?, ...}]; an empty array clears
    POST   /_control/webhooks                    {"messages": [{"mediaId", "caption"?, "withUrl"?, or "text";
                                                 with either: "sender"?, "groupId"?}]}: all in one POST
    PUT    /_control/numbers/{phoneNumberId}     {"accessToken"}: a new token; the earlier ones of this number expire
    POST   /_control/clock                       {"advanceSeconds"}
    GET    /_control/requests                    counts of what was asked; DELETE begins anew

Bodies must be `application/json`: a web page that the developer visits cannot send that across origins.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from whatsapp_simulator.control_input import read_base64, read_customer, read_faults, read_kind
from whatsapp_simulator.demo import ADA
from whatsapp_simulator.files import SAMPLES
from whatsapp_simulator.json_fields import BadInput, Fields
from whatsapp_simulator.media import Media
from whatsapp_simulator.webhooks import Attachment, BusinessNumber, Message, Text

if TYPE_CHECKING:
    from whatsapp_simulator.simulator import Simulator

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlRoutes:
    """Each route calls what Python code would call on the `Simulator`."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def add_to(self, app: web.Application) -> None:
        """Add the routes below `/_control`."""
        routes: dict[tuple[str, str], Handler] = {
            ("GET", "samples"): self._samples,
            ("GET", "media"): self._media,
            ("POST", "media"): self._add_media,
            ("GET", "faults"): self._faults,
            ("PUT", "faults/{media_id}"): self._put_faults,
            ("POST", "webhooks"): self._send,
            ("PUT", "numbers/{phone_number_id}"): self._put_number,
            ("POST", "clock"): self._advance_clock,
            ("GET", "requests"): self._requests,
            ("DELETE", "requests"): self._clear_requests,
        }
        for (method, path), handler in routes.items():
            app.router.add_route(method, f"/_control/{path}", _explaining(handler))

    async def _samples(self, request: web.Request) -> web.Response:
        return web.json_response(list(SAMPLES))

    async def _media(self, request: web.Request) -> web.Response:
        return web.json_response([_shown(media) for media in self._simulator.media])

    async def _add_media(self, request: web.Request) -> web.Response:
        fields = Fields(await _body(request))
        number = self._number(fields.optional("phoneNumberId", str))
        faults = read_faults(fields.optional("faults", list))
        if "sample" in fields:
            sample, size_bytes = fields.take("sample", str), fields.optional("sizeBytes", int)
            seed = fields.optional("seed", int) or 0
            fields.done()
            if sample not in SAMPLES:
                raise BadInput(f"sample: {sample!r} is none of {', '.join(SAMPLES)}")
            try:
                media = self._simulator.add_sample(
                    sample, size_bytes=size_bytes, seed=seed, number=number, faults=faults
                )
            except ValueError as error:
                raise BadInput(f"sizeBytes: {error}") from error
        else:
            kind, mime_type = read_kind(fields.take("kind", str)), fields.take("mimeType", str)
            content, filename = read_base64(fields.take("base64", str)), fields.optional("filename", str)
            fields.done()
            media = self._simulator.add_media(
                content, kind=kind, mime_type=mime_type, filename=filename, number=number, faults=faults
            )
        return web.json_response(_shown(media), status=201)

    async def _faults(self, request: web.Request) -> web.Response:
        planned = self._simulator.faults.planned()
        return web.json_response(
            {media_id: [asdict(fault) for fault in faults] for media_id, faults in planned.items()}
        )

    async def _put_faults(self, request: web.Request) -> web.Response:
        self._simulator.faults.put(request.match_info["media_id"], *read_faults(await _body(request)))
        return web.Response(status=204)

    async def _send(self, request: web.Request) -> web.Response:
        fields = Fields(await _body(request))
        messages = [self._message(Fields(item)) for item in fields.take("messages", list)]
        fields.done()
        if not messages:
            raise BadInput("messages: none given")
        if self._simulator.webhook_url is None:
            raise BadInput("no receiver: start the simulator with --webhook-url")
        delivery = await self._simulator.send(*messages)
        answer = {"messageIds": [message.id for message in messages], "statuses": delivery.statuses}
        return web.json_response(answer | {"accepted": delivery.accepted})

    async def _put_number(self, request: web.Request) -> web.Response:
        phone_number_id = request.match_info["phone_number_id"]
        fields = Fields(await _body(request))
        access_token = fields.take("accessToken", str)
        fields.done()
        try:
            number = self._simulator.number_of(phone_number_id)
        except KeyError:
            number = BusinessNumber(phone_number_id=phone_number_id)
            self._simulator.add_number(number, access_token=access_token)
        self._simulator.tokens.replace(phone_number_id, access_token)
        return web.Response(status=204)

    async def _advance_clock(self, request: web.Request) -> web.Response:
        fields = Fields(await _body(request))
        seconds = fields.take("advanceSeconds", float)
        fields.done()
        if seconds < 0:
            raise BadInput("advanceSeconds: the clock can only be set forward")
        self._simulator.clock.advance(seconds)
        return web.json_response({"now": self._simulator.clock.now()})

    async def _requests(self, request: web.Request) -> web.Response:
        return web.json_response(self._simulator.requests.as_json())

    async def _clear_requests(self, request: web.Request) -> web.Response:
        self._simulator.requests.clear()
        return web.Response(status=204)

    def _message(self, fields: Fields) -> Message:
        sender = read_customer(fields.take("sender", dict)) if "sender" in fields else ADA
        group_id, content = fields.optional("groupId", str), self._content(fields)
        fields.done()
        return self._simulator.message(content, sender=sender, group_id=group_id)

    def _content(self, fields: Fields) -> Attachment | Text:
        if "text" in fields:
            return Text(text=fields.take("text", str))
        media_id, caption = fields.take("mediaId", str), fields.optional("caption", str)
        media = next((media for media in self._simulator.media if media.id == media_id), None)
        if media is None:
            raise BadInput(f"mediaId: {media_id!r} is not held")
        return self._simulator.attachment(media, caption=caption, with_url=fields.optional("withUrl", bool) or False)

    def _number(self, phone_number_id: str | None) -> BusinessNumber:
        if phone_number_id is None:
            return self._simulator.number
        try:
            return self._simulator.number_of(phone_number_id)
        except KeyError:
            raise BadInput(f"phoneNumberId: {phone_number_id!r} was never added") from None


def _explaining(handler: Handler) -> Handler:
    async def explained(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
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


def _shown(media: Media) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": media.id,
        "phoneNumberId": media.number.phone_number_id,
        "kind": media.kind,
        "mimeType": media.mime_type,
        "sizeBytes": media.content.size_bytes,
        "sha256": media.sha256,
    }
    return shown if media.filename is None else shown | {"filename": media.filename}
