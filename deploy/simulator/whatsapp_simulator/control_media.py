"""Control of what Meta holds: media, numbers and tokens, the clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from whatsapp_simulator.control_input import read_base64, read_kind
from whatsapp_simulator.fault_input import read_faults
from whatsapp_simulator.files import SAMPLES
from whatsapp_simulator.json_fields import BadInput, Fields
from whatsapp_simulator.media import Media
from whatsapp_simulator.parties import BusinessNumber

if TYPE_CHECKING:
    from whatsapp_simulator.simulator import Simulator

Routes = Mapping[tuple[str, str], Callable[[web.Request, object], Awaitable[web.Response]]]


class MediaControl:
    """`samples`, `media`, `numbers`, `clock`."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> Routes:
        """By method and path."""
        return {
            ("GET", "samples"): self._samples,
            ("GET", "media"): self._media,
            ("POST", "media"): self._add_media,
            ("PUT", "numbers/{phone_number_id}"): self._put_number,
            ("POST", "clock"): self._advance_clock,
        }

    async def _samples(self, request: web.Request, body: object) -> web.Response:
        return web.json_response(list(SAMPLES))

    async def _media(self, request: web.Request, body: object) -> web.Response:
        return web.json_response([_shown(media) for media in self._simulator.media])

    async def _add_media(self, request: web.Request, body: object) -> web.Response:
        fields = Fields(body)
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

    async def _put_number(self, request: web.Request, body: object) -> web.Response:
        phone_number_id = request.match_info["phone_number_id"]
        fields = Fields(body)
        access_token = fields.take("accessToken", str)
        fields.done()
        try:
            self._simulator.number_of(phone_number_id)
        except KeyError:
            self._simulator.add_number(BusinessNumber(phone_number_id=phone_number_id), access_token=access_token)
        self._simulator.tokens.replace(phone_number_id, access_token)
        return web.Response(status=204)

    async def _advance_clock(self, request: web.Request, body: object) -> web.Response:
        fields = Fields(body)
        seconds = fields.take("advanceSeconds", float)
        fields.done()
        if seconds < 0:
            raise BadInput("advanceSeconds: the clock can only be set forward")
        self._simulator.clock.advance(seconds)
        return web.json_response({"now": self._simulator.clock.now()})

    def _number(self, phone_number_id: str | None) -> BusinessNumber:
        if phone_number_id is None:
            return self._simulator.number
        try:
            return self._simulator.number_of(phone_number_id)
        except KeyError:
            raise BadInput(f"phoneNumberId: {phone_number_id!r} was never added") from None


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
