"""The queues whose messages may end as dead letters, in the order in which people are told of them."""

from collections.abc import Mapping

from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, REVOCATIONS, UNREADABLE, WorkQueue

QUEUES: Mapping[str, WorkQueue] = {
    queue.name: queue for queue in (UNREADABLE, INGEST, IDENTITIES, REVOCATIONS, PREVIEW)
}


class UnknownQueue(ValueError):
    """The name is of no queue of ours; the message lists those that are."""


def queue_named(name: str) -> WorkQueue:
    """The queue of this name, with or without `.dlq`. Raise `UnknownQueue`."""
    queue = QUEUES.get(name.strip().removesuffix(".dlq"))
    if queue is None:
        msg = f"{name!r} is no queue of Attache; these are: {', '.join(QUEUES)}"
        raise UnknownQueue(msg)
    return queue
