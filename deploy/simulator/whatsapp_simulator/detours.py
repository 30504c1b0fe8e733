"""Redirects: where they lead, and what the request that followed one meets."""

from __future__ import annotations

from aiohttp import web

from whatsapp_simulator.faults import Fault
from whatsapp_simulator.targets import Target, place

_HOP = "hop"
_FOR_EVER = "loop"


def redirect(request: web.Request, fault: Fault, *, elsewhere: str) -> web.Response:
    """The redirect that this fault asks for. `elsewhere` is the path for another host, where no token arrives."""
    stays = fault.url is None and fault.target in {Target.SAME_HOST, Target.LOOP, Target.USER_INFO}
    hop = _FOR_EVER if fault.target is Target.LOOP else str(fault.hops - 1)
    path = _with_hop(request.path_qs if stays else elsewhere, hop)
    location = place(fault.target, fault.url, origin=request.url.origin(), path=path)
    headers = {} if location is None else {"Location": location}
    return web.Response(status=fault.status or 302, headers=headers)


def next_hop(request: web.Request) -> web.Response | None:
    """The next redirect, when the request came by one that is not the last."""
    left = request.query.get(_HOP, "0")
    if left != _FOR_EVER and not (left.isascii() and left.isdigit() and int(left) > 0):
        return None
    hop = _FOR_EVER if left == _FOR_EVER else str(int(left) - 1)
    location = request.url.origin().join(request.url.relative()).update_query({_HOP: hop})
    return web.Response(status=302, headers={"Location": str(location)})


def came_by_redirect(request: web.Request) -> bool:
    """Whether a redirect led here: then no other fault strikes, or it would strike at each hop."""
    return _HOP in request.query


def _with_hop(path: str, hop: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{_HOP}={hop}"
