"""The composition root: every part of the media-server is made and connected here."""

import asyncio

from aiohttp import web

from media_server.api.auth import TOKENS, Tokens
from media_server.api.routes import API_ROUTES
from media_server.files import Files
from media_server.live import Live
from media_server.problems import problems
from media_server.resources import broker, database, graph, say_goodbye
from media_server.response_headers import add_headers
from media_server.settings import Settings
from media_server.signing import Links
from media_server.state import CLOCK, LINKS, LIVE, SETTINGS, STOPPING
from shared.clock import Clock, system_clock
from shared.resources import open_store
from shared.web import new_app

_LINK = "/media/{token}/{fileName:[^/]+}"  # without the pattern no name with a brace in it is found


def build_app(settings: Settings, *, clock: Clock = system_clock) -> web.Application:
    """The service. It starts, and serves links, whether or not MongoDB and RabbitMQ are there."""
    links = Links(
        secret=settings.files_signing_secret,
        previous=settings.files_signing_secret_previous,
        ttl_seconds=settings.files_url_ttl_seconds,
    )
    app = new_app([database(settings), broker(settings), graph(settings)])
    files = Files(
        store=open_store(app, settings), links=links, clock=clock, accel_redirect=settings.media_accel_redirect
    )
    app[SETTINGS] = settings
    app[CLOCK] = clock
    app[TOKENS] = Tokens(operator=settings.operator_token, admin=settings.admin_token)
    app[LINKS] = links
    app[STOPPING] = asyncio.Event()
    app[LIVE] = Live(links=links, clock=clock)
    app.middlewares.append(problems)
    app.router.add_routes([*API_ROUTES, web.get(_LINK, files.get)])
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(say_goodbye)
    return app
