"""`identity.changed` → both names of the customer lead to one conversation."""

from collections.abc import Sequence

import structlog

from ingestor.relocation import Relocation
from shared.broker.consumer import Delivery
from shared.broker.retry import Decision, RetryPolicy
from shared.clock import Clock
from shared.erase import Eraser
from shared.events import Event, IdentityChanged
from shared.repository.conversations import ConversationRepository
from shared.repository.messages import MessageRepository
from shared.repository.mongo import DatabaseError
from shared.repository.tombstones import Tombstones
from shared.updates import Announcer

log = structlog.get_logger(__name__)


class IdentityHandler:
    """Ties the customer's identity before and after the change together."""

    def __init__(
        self,
        *,
        conversations: ConversationRepository,
        messages: MessageRepository,
        announcer: Announcer,
        tombstones: Tombstones,
        eraser: Eraser,
        policy: RetryPolicy,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._tombstones = tombstones
        self._eraser = eraser
        self._relocation = Relocation(messages=messages, conversations=conversations, announcer=announcer)
        self._policy = policy
        self._clock = clock

    async def handle(self, event: IdentityChanged, _: Delivery) -> Sequence[Event]:
        """See the consumer."""
        if await self._erased(event):
            return []
        resolved = await self._conversations.renamed(
            phone_number_id=event.phone_number_id, before=event.before, after=event.after
        )
        if resolved is not None:
            await self._relocation.gather(resolved)
        await self._erased(event)  # after all writes: whoever lays a tombstone later sees what they made
        return []

    async def _erased(self, event: IdentityChanged) -> bool:
        """Whether the customer was erased since; no conversation comes back that leads to either name."""
        if not await self._tombstones.cover_change(event):
            return False
        await self._eraser.covered_change(event)
        log.info("identity.erased_before")
        return True

    async def settle(self, _: IdentityChanged, error: Exception, delivery: Delivery) -> Decision:
        """See the consumer. There is no document whose deadline would count."""
        if isinstance(error, DatabaseError):
            raise error
        return self._policy.decide(error, attempt=delivery.attempt, deadline=None, now=self._clock())
