"""Web pages where media or JSON was expected."""

from __future__ import annotations

from aiohttp import web

_LOGIN = "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body><form>Please log in.</form></body></html>\n"


def login_page() -> web.Response:
    """A page, with status 200: what a client without a user agent gets, and sometimes others too."""
    return web.Response(text=_LOGIN, content_type="text/html")
