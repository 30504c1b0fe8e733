"""Breaking a connection on purpose."""

from __future__ import annotations

import socket
import struct

from aiohttp import web

_LINGER_ZERO = struct.pack("ii", 1, 0)


def reset_connection(request: web.Request) -> None:
    """Let the client see a reset, not an orderly end of the connection."""
    transport = request.transport
    if transport is None:  # the client has gone already
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


def close_connection(request: web.Request) -> None:
    """End the connection in good order once everything written is sent, whatever was promised."""
    if request.transport is not None:
        request.transport.close()
