"""Everything that the simulated Meta knows. One per simulator; nothing is global."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from aiohttp import web

from whatsapp_simulator.clock import Clock
from whatsapp_simulator.faults import FaultPlan
from whatsapp_simulator.media import Links, MediaShelf
from whatsapp_simulator.request_log import RequestLog
from whatsapp_simulator.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class State:
    """What the routes share."""

    clock: Clock
    media: MediaShelf
    links: Links
    tokens: Tokens = field(default_factory=Tokens)
    faults: FaultPlan = field(default_factory=FaultPlan)
    requests: RequestLog = field(default_factory=RequestLog)


def new_state(clock: Clock) -> State:
    """A Meta that holds nothing yet."""
    return State(clock=clock, media=MediaShelf(clock), links=Links(clock=clock, key=secrets.token_bytes(32)))


STATE: web.AppKey[State] = web.AppKey("state", State)
