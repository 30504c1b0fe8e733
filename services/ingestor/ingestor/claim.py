"""Whether an event means work, decided purely from the document as it is and how the event came."""

from enum import Enum, auto

from shared.broker.consumer import Delivery
from shared.media import Attachment, MediaStatus


class Claim(Enum):
    """What to do about a `media.received` whose document exists already."""

    BEGIN = auto()  # a new attempt
    RESUME = auto()  # the same attempt, cut off before its ack
    DONE = auto()  # nothing, it is stored or given up; say so again if this delivery was cut off before
    IGNORE = auto()  # a duplicate, or overtaken; the document's `wakeAt` is the net under it


def claim(current: Attachment, delivery: Delivery) -> Claim:
    """A repeated webhook is a duplicate and does nothing; a redelivered event of a half-finished attempt resumes.

    An attempt further ahead was planned before somebody reset the count ("retry now"): it is overtaken, too.
    """
    if current.media.status is not MediaStatus.PENDING:
        return Claim.DONE
    if delivery.attempt == current.media.attempts + 1:
        return Claim.BEGIN
    if delivery.attempt == current.media.attempts and delivery.redelivered:
        return Claim.RESUME
    return Claim.IGNORE
