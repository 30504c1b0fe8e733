"""The HTTP side: Graph, the media host and the control API on one origin."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from whatsapp_simulator.control import ControlRoutes
from whatsapp_simulator.downloads import add_download_routes
from whatsapp_simulator.graph import add_graph_routes
from whatsapp_simulator.state import STATE, State


def build_app(state: State, control: ControlRoutes) -> web.Application:
    """Meta as a business sees it, and the knobs that Meta does not have, below `/_control`."""
    app = web.Application(client_max_size=32 * 1024 * 1024)  # control: files come as base64
    app[STATE] = state
    control.add_to(app)
    add_download_routes(app)
    add_graph_routes(app)
    return app


@asynccontextmanager
async def served(app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve `app` for as long as the context lasts; yields its base URL. Port 0 takes a free one."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        bound = runner.addresses[0]
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://{f'[{bound[0]}]' if ':' in bound[0] else bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()
