"""`message.revoked` → the attachments of that message are erased, also when it comes before them."""

from collections.abc import Sequence

import structlog

from shared.broker.consumer import Delivery
from shared.broker.retry import Decision, RetryPolicy
from shared.clock import Clock
from shared.erase import Eraser
from shared.events import Event, MessageRevoked
from shared.repository.erasure import of_message
from shared.repository.mongo import DatabaseError
from shared.setting_types import OnRevoke

log = structlog.get_logger(__name__)


class RevocationHandler:
    """Erases, unless attachments are to be kept: the gateway may have been told otherwise before."""

    def __init__(self, *, eraser: Eraser, on_revoke: OnRevoke, policy: RetryPolicy, clock: Clock) -> None:
        self._eraser = eraser
        self._on_revoke = on_revoke
        self._policy = policy
        self._clock = clock

    async def handle(self, event: MessageRevoked, _: Delivery) -> Sequence[Event]:
        """See the consumer."""
        if self._on_revoke == "keep":
            log.info("message.revoked_and_kept")
            return []
        erased = await self._eraser.erase(of_message(event.phone_number_id, event.message_id))
        log.info("message.revoked_and_erased", documents=erased.documents, files=erased.files)
        return []

    async def settle(self, _: MessageRevoked, error: Exception, delivery: Delivery) -> Decision:
        """See the consumer. There is no deadline: what a person has deleted is not to stay."""
        if isinstance(error, DatabaseError):
            raise error
        return self._policy.decide(error, attempt=delivery.attempt, deadline=None, now=self._clock())
