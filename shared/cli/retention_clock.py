"""Retention goes by the clock, and what goes is gone for good: so two clocks have to agree first."""

from datetime import datetime, timedelta

from shared.repository.mongo import Database, server_time

_TOLERANCE = timedelta(minutes=5)


class ClocksDisagree(Exception):
    """This machine or the database server has the wrong time; the text says which says what, and what to do."""


async def compare(database: Database, now: datetime) -> None:
    """Raise `ClocksDisagree` unless MongoDB's clock says about `now`, too. May raise `DatabaseError`."""
    theirs = await server_time(database)
    if abs(theirs - now) > _TOLERANCE:
        msg = (
            f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, MongoDB's says {theirs:%Y-%m-%d %H:%M} UTC, and by a "
            "wrong clock too much would go. See which one is wrong (make doctor), then give the same command again"
        )
        raise ClocksDisagree(msg)
