"""What a client of the live view missed while it was away, read from the documents."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from shared.media import Attachment
from shared.repository.listing import Listing

_PAGE = 200
_TICK = timedelta(milliseconds=1)  # the resolution of the database's clock


async def changed_since(
    listing: Listing, since: datetime, *, conversation_id: str | None, page_size: int = _PAGE
) -> AsyncIterator[Attachment]:
    """What changed after `since`, oldest change first, read page by page. Raises `DatabaseError`."""
    sent: set[tuple[str, int]] = set()
    while True:
        page = await listing.updated_since(since, limit=page_size)
        for attachment in page:
            known = (attachment.id, attachment.media.revision) in sent
            if not known and conversation_id in {None, attachment.conversation_id}:
                yield attachment
        if len(page) < page_size:
            return
        sent = {(attachment.id, attachment.media.revision) for attachment in page}
        # the page may have cut its last millisecond in two: the next one begins just before it
        following = page[-1].media.updated_at - _TICK
        if following <= since:
            page_size *= 2  # a whole page within one millisecond: look further ahead
        since = max(since, following)
