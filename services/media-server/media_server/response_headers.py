"""Headers that every answer carries, set at the last moment so that no route can forget them."""

from aiohttp import web

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`. What a route said itself stands, but no error is ever cached."""
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    if response.status >= 400:
        response.headers["Cache-Control"] = "no-store"
