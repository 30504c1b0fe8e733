"""Everything that the simulated Meta knows. One per simulator; nothing is global."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from aiohttp import web

from whatsapp_simulator.clock import Clock
from whatsapp_simulator.fault_plan import FaultPlan
from whatsapp_simulator.media import Links, MediaShelf
from whatsapp_simulator.outbox import Outbox
from whatsapp_simulator.parties import BusinessNumber
from whatsapp_simulator.rate_limit import RateLimiter
from whatsapp_simulator.request_log import RequestLog
from whatsapp_simulator.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class State:
    """What the routes share."""

    clock: Clock
    media: MediaShelf
    links: Links
    limiter: RateLimiter
    outbox: Outbox
    faults: FaultPlan
    numbers: dict[str, BusinessNumber] = field(default_factory=dict)
    tokens: Tokens = field(default_factory=Tokens)
    requests: RequestLog = field(default_factory=RequestLog)


def new_state(clock: Clock, *, seed: int = 0) -> State:
    """A Meta that holds nothing yet; `seed` decides whom shared faults meet."""
    return State(
        clock=clock,
        media=MediaShelf(clock),
        links=Links(clock=clock, key=secrets.token_bytes(32)),
        limiter=RateLimiter(clock),
        outbox=Outbox(clock),
        faults=FaultPlan(seed=seed),
    )


STATE: web.AppKey[State] = web.AppKey("state", State)
