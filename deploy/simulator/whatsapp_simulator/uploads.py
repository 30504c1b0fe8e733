"""`POST /{phone-number-id}/media`: files that the business wants to send."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import BodyPartReader, web

from whatsapp_simulator.content import BytesContent
from whatsapp_simulator.graph_errors import graph_answer, graph_error
from whatsapp_simulator.media import UPLOAD_LIFETIME_SECONDS, Media, new_media_id
from whatsapp_simulator.media_limits import ACCEPTED_TYPES, MOST_UPLOAD_BYTES, essence, kind_of, problem_with
from whatsapp_simulator.parties import BusinessNumber
from whatsapp_simulator.state import State

_SHORTEST_MINUTES, _LONGEST_MINUTES = 60, 43200
_MOST_FIELD_BYTES = 4096


@dataclass(kw_only=True)
class _Form:
    product: str | None = None
    mime_type: str | None = None
    ttl_minutes: str | None = None
    part_type: str | None = None
    filename: str | None = None
    data: bytes | None = None


async def upload(request: web.Request, state: State, number: BusinessNumber) -> web.Response:
    """Keep the file under a new media id, or refuse what Meta would refuse."""
    if request.content_type != "multipart/form-data":
        return graph_error(100, message="(#100) The parameter file is required")
    try:
        form = await _read(request)
    except ValueError as error:  # a broken multipart body
        return graph_error(100, details=str(error))
    if form.product != "whatsapp":
        return graph_error(100, message="(#100) The parameter messaging_product is required.")
    if form.data is None:
        return graph_error(100, message="(#100) The parameter file is required.")
    return _kept(form, form.data, state, number)


def _kept(form: _Form, data: bytes, state: State, number: BusinessNumber) -> web.Response:
    mime_type = form.mime_type or form.part_type or "application/octet-stream"
    kind = kind_of(mime_type)
    if kind is None:
        accepted = ", ".join(ACCEPTED_TYPES)
        message = f"(#100) Param file must be a file with one of the following types: {accepted}. "
        return graph_error(100, message=f"{message}Received file of type '{mime_type}'.")
    if form.part_type is not None and essence(form.part_type) != essence(mime_type):
        return graph_error(131053, details=f"type is {mime_type}, but the file is sent as {form.part_type}.")
    problem = problem_with(kind, mime_type, data)
    if problem is not None:
        return graph_error(131053, details=problem)
    minutes = form.ttl_minutes
    if minutes is not None and not (minutes.isdecimal() and _SHORTEST_MINUTES <= int(minutes) <= _LONGEST_MINUTES):
        return graph_error(100, details=f"ttl_minutes must be {_SHORTEST_MINUTES} to {_LONGEST_MINUTES}.")
    media = Media(
        id=new_media_id(),
        number=number,
        kind=kind,
        mime_type=mime_type,
        content=BytesContent(data),
        added_at=state.clock.now(),
        filename=form.filename,
        lifetime_seconds=UPLOAD_LIFETIME_SECONDS if minutes is None else int(minutes) * 60,
    )
    state.media.add(media)
    return graph_answer({"id": media.id})


async def _read(request: web.Request) -> _Form:
    form = _Form()
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise ValueError("a part within a part")
        if part.name == "file":
            form.part_type, form.filename = part.headers.get("Content-Type"), part.filename
            form.data = await _bytes(part, MOST_UPLOAD_BYTES + 1)
        elif part.name in {"messaging_product", "type", "ttl_minutes"}:
            text = (await _bytes(part, _MOST_FIELD_BYTES)).decode("utf-8")
            if part.name == "messaging_product":
                form.product = text
            elif part.name == "type":
                form.mime_type = text
            else:
                form.ttl_minutes = text
    return form


async def _bytes(part: BodyPartReader, most: int) -> bytes:
    """The part, or as much of it as shows that it is too large; the rest is read and dropped."""
    data = bytearray()
    while chunk := await part.read_chunk():
        data += chunk[: most - len(data)]
    return bytes(data)
