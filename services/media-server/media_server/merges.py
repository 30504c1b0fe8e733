"""Clients that watch a conversation which was merged into another are let go, to come back to the one that stays."""

import asyncio

import structlog
from aiohttp import WSCloseCode

from media_server.live import Live
from shared.repository.listing import Listing
from shared.repository.mongo import DatabaseError

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 2.0


async def follow_merges(live: Live, listing: Listing, *, seconds: float = _LOOK_SECONDS) -> None:
    """Look every few seconds, until cancelled.

    Changes carry the id of the conversation that stays, so a client narrowed to the other one would see nothing more.
    The id it asked for leads to the right one when it connects again, and `since` to what it missed.
    """
    while True:
        await asyncio.sleep(seconds)
        if watched := live.watched():
            try:
                live.dismiss_watchers_of(await listing.merged(watched), WSCloseCode.SERVICE_RESTART)
            except DatabaseError as error:
                log.warning("merges.not_looked_for", reason=type(error).__name__, retryInSeconds=seconds)
