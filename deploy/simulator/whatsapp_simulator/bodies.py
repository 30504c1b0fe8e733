"""How a body travels: as it should, or slowly, cut, packed, with a wrong length, for ever."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from whatsapp_simulator.connection import close_connection, reset_connection
from whatsapp_simulator.fault_names import FaultName
from whatsapp_simulator.faults import Fault
from whatsapp_simulator.gzip_bomb import packed_zeros
from whatsapp_simulator.outgoing import Outgoing, begun

_BOMB_BYTES = 256 * 1024 * 1024
_BLOCK = bytes(64 * 1024)
_SLOW_PIECES_PER_SECOND = 10
_EXTRA_BYTES = 1000


async def send(request: web.Request, outgoing: Outgoing, fault: Fault | None) -> web.StreamResponse:
    """Send the answer; with one of these faults in the way that it asks for."""
    way = _WAYS.get(fault.name) if fault is not None else None
    if fault is None or way is None:
        response = await begun(request, outgoing, length=outgoing.size_bytes)
        for chunk in outgoing.chunks():
            await response.write(chunk)
        return response
    return await way(request, outgoing, fault)


async def _slowly(request: web.Request, outgoing: Outgoing, fault: Fault) -> web.StreamResponse:
    response = await begun(request, outgoing, length=outgoing.size_bytes)
    piece = max(1, fault.bytes_per_second // _SLOW_PIECES_PER_SECOND)
    for position in range(0, outgoing.size_bytes, piece):
        await asyncio.sleep(piece / fault.bytes_per_second)
        for chunk in outgoing.chunks(position, position + piece):
            await response.write(chunk)
    return response


async def _stalling(request: web.Request, outgoing: Outgoing, fault: Fault) -> web.StreamResponse:
    pause_at = outgoing.size_bytes // 2 if fault.after_bytes is None else fault.after_bytes
    response = await begun(request, outgoing, length=outgoing.size_bytes)
    for chunk in outgoing.chunks(0, pause_at):
        await response.write(chunk)
    await asyncio.sleep(fault.delay_seconds)
    for chunk in outgoing.chunks(min(pause_at, outgoing.size_bytes)):
        await response.write(chunk)
    return response


async def _reset(request: web.Request, outgoing: Outgoing, fault: Fault) -> web.StreamResponse:
    end = outgoing.size_bytes // 2 if fault.after_bytes is None else fault.after_bytes
    response = await begun(request, outgoing, length=outgoing.size_bytes)
    for chunk in outgoing.chunks(0, min(end, max(outgoing.size_bytes - 1, 0))):
        await response.write(chunk)
    reset_connection(request)
    return response


async def _packed(request: web.Request, outgoing: Outgoing, fault: Fault) -> web.StreamResponse:
    response = await begun(request, outgoing, length=None, headers={"Content-Encoding": "gzip"})
    packer = zlib.compressobj(wbits=31)
    for chunk in outgoing.chunks():
        await response.write(packer.compress(chunk))
    await response.write(packer.flush())
    return response


async def _bomb(request: web.Request, outgoing: Outgoing, fault: Fault) -> web.StreamResponse:
    size_bytes = _BOMB_BYTES if fault.size_bytes is None else fault.size_bytes
    packed = await asyncio.to_thread(packed_zeros, size_bytes)
    response = await begun(request, outgoing, length=len(packed), headers={"Content-Encoding": "gzip"})
    await response.write(packed)
    return response


async def _promising_more(request: web.Request, outgoing: Outgoing, fault: Fault) -> web.StreamResponse:
    response = await begun(request, outgoing, length=outgoing.size_bytes + (fault.size_bytes or _EXTRA_BYTES))
    for chunk in outgoing.chunks():
        await response.write(chunk)
    close_connection(request)
    return response


async def _promising_less(request: web.Request, outgoing: Outgoing, fault: Fault) -> web.StreamResponse:
    length = max(0, outgoing.size_bytes - (fault.size_bytes or _default_shortfall(outgoing)))
    response = await begun(request, outgoing, length=length)
    for chunk in outgoing.chunks(0, length):
        await response.write(chunk)
    if length == 0:
        await response.write_eof()  # else the headers would come after the body
    if request.transport is not None:  # aiohttp itself would cut the body at the promised length
        request.transport.writelines(list(outgoing.chunks(length)))
    close_connection(request)
    return response


def _default_shortfall(outgoing: Outgoing) -> int:
    return min(_EXTRA_BYTES, max(1, outgoing.size_bytes // 2))


async def _in_chunks(request: web.Request, outgoing: Outgoing, fault: Fault) -> web.StreamResponse:
    response = await begun(request, outgoing, length=None)
    for chunk in outgoing.chunks():
        await response.write(chunk)
    return response


async def _for_ever(request: web.Request, outgoing: Outgoing, fault: Fault) -> web.StreamResponse:
    response = await _in_chunks(request, outgoing, fault)
    while True:  # until the client has gone: then `write` raises
        await response.write(_BLOCK)
        await asyncio.sleep(0)


_WAYS: dict[FaultName, Callable[[web.Request, Outgoing, Fault], Awaitable[web.StreamResponse]]] = {
    FaultName.SLOW_BODY: _slowly,
    FaultName.STALL: _stalling,
    FaultName.RESET: _reset,
    FaultName.GZIP: _packed,
    FaultName.GZIP_BOMB: _bomb,
    FaultName.LENGTH_TOO_LARGE: _promising_more,
    FaultName.LENGTH_TOO_SMALL: _promising_less,
    FaultName.NO_LENGTH: _in_chunks,
    FaultName.ENDLESS: _for_ever,
}
