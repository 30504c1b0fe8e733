"""The gateway's own queue: parked bodies that a person put back are taken once more."""

import structlog
from aio_pika.abc import AbstractIncomingMessage

from shared.broker.connection import Broker
from shared.broker.dead_letters import bury, dead_letter_headers
from shared.broker.publisher import Publisher, PublishFailed
from shared.broker.retry import DeadLetter
from shared.broker.topology import UNREADABLE
from shared.broker.worker import Worker, deliveries_without_answer
from shared.clock import Clock
from shared.errors import ErrorCode
from webhook_gateway.intake import SERVICE, Intake, Taken

log = structlog.get_logger(__name__)

_PREFETCH = 4  # a body may have megabytes


class Replays:
    """Takes bodies from `webhook-gateway.unreadable`; what is still unreadable goes back to the dead letters.

    A body is acked after every confirm. One that cannot be confirmed waits here until the broker is back; one in
    hand when the service stops is left to redelivery.
    """

    def __init__(self, *, broker: Broker, publisher: Publisher, intake: Intake, clock: Clock) -> None:
        self._publisher = publisher
        self._intake = intake
        self._clock = clock
        self._worker = Worker(broker=broker, queue=UNREADABLE, prefetch=_PREFETCH, work=self._work)

    async def start(self) -> None:
        """Begin to take bodies as soon as the broker is there. Returns at once."""
        await self._worker.start()

    async def stop(self, *, grace_seconds: float) -> None:
        """Take no more, finish what is in hand, leave the rest to the broker to deliver again."""
        await self._worker.stop(grace_seconds=grace_seconds)

    async def _work(self, message: AbstractIncomingMessage, correlation_id: str) -> str:
        outcome = "ok"

        async def once_more() -> None:
            nonlocal outcome
            outcome = await self._outcome(message, correlation_id)

        await self._worker.until_confirmed(once_more)
        return outcome

    async def _outcome(self, message: AbstractIncomingMessage, correlation_id: str) -> str:
        deliveries = deliveries_without_answer(message)
        if deliveries is not None:
            await self._give_up(message, f"given up: {deliveries} deliveries ended without an answer")
            return "dead_letter"
        try:
            # the time when it first came decides how long Meta keeps its media
            receipt = await self._intake.take(
                message.body, correlation_id=correlation_id, received_at=message.timestamp
            )
        except PublishFailed:
            raise
        except Exception as error:  # a defect of ours must not hold the queue up: the body is kept with its reason
            log.exception("event.handler_raised", queue=UNREADABLE.name)
            await self._give_up(message, f"internal error: {type(error).__name__}", error)
            return "dead_letter"
        return "invalid" if receipt.outcome is Taken.PARKED else "ok"

    async def _give_up(self, message: AbstractIncomingMessage, reason: str, error: Exception | None = None) -> None:
        headers = dead_letter_headers(
            DeadLetter(code=ErrorCode.INTERNAL, reason=reason),
            queue=UNREADABLE,
            service=SERVICE,
            attempt=1,
            failed_at=self._clock(),
            error=error,
        )
        await bury(self._publisher, message, queue=UNREADABLE, headers=headers)
