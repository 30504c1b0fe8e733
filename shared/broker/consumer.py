"""From a delivery to its ack: decode, handle, publish what it caused, ack; or retry, or dead-letter.

The order is what keeps promise 2 (effectively once): a message is acked only after everything it caused is
confirmed, so whatever is killed in between, the broker delivers it again.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog
from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError

from shared.broker.connection import Broker
from shared.broker.dead_letters import bury, dead_letter_headers
from shared.broker.envelope import ATTEMPT, RESUMED, UNTOLD, copy_of, whole_number
from shared.broker.publisher import Publisher
from shared.broker.retry import DeadLetter, Decision, RetryIn, RetryPolicy
from shared.broker.topology import WorkQueue
from shared.broker.worker import Worker, deliveries_without_answer, was_cut_off
from shared.clock import system_clock
from shared.errors import ErrorCode, PermanentError, PipelineError, Postponed
from shared.events import E, Event, decode, type_name
from shared.repository.mongo import DatabaseError
from shared.tracing import annotate

log = structlog.get_logger(__name__)

E_contra = TypeVar("E_contra", bound=Event, contravariant=True)

HANDLER_SECONDS = 900.0
"""The longest a handler may take; far below RabbitMQ's consumer timeout (30 min)."""
_SPAN_IDS = {"mediaId": "media_id", "conversationId": "conversation_id"}


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How an event came. `attempt` counts from 1. `redelivered`: an earlier try of the same attempt did not end.

    `resumed`: it was put off by ourselves, so that nothing was cut off between a change and the telling of it.
    """

    attempt: int
    redelivered: bool
    correlation_id: str
    resumed: bool = False

    @property
    def may_be_untold(self) -> bool:
        """Whether a process may have ended after it changed the document and before it said so."""
        return self.redelivered and not self.resumed


class Handler(Protocol[E_contra]):
    """One kind of event in, the events it caused out. Knows nothing of the broker."""

    async def handle(self, event: E_contra, delivery: Delivery) -> Sequence[Event]:
        """Make it so. A repeat gives the same answer. Raise when it cannot be done now or at all."""

    async def settle(self, event: E_contra, error: Exception, delivery: Delivery) -> Decision:
        """Write into the document what `error` means for it, and say whether the event comes again."""


class Consumer(Generic[E]):
    """Works off one queue with one handler, `prefetch` events at a time. `poison_code` names work that kills us."""

    def __init__(
        self,
        *,
        broker: Broker,
        publisher: Publisher,
        queue: WorkQueue,
        event_type: type[E],
        handler: Handler[E],
        policy: RetryPolicy,
        prefetch: int,
        service: str,
        poison_code: ErrorCode = ErrorCode.INTERNAL,
    ) -> None:
        self._publisher = publisher
        self._queue = queue
        self._event_type = event_type
        self._handler = handler
        self._policy = policy
        self._service = service
        self._poison_code = poison_code
        self._worker = Worker(broker=broker, queue=queue, prefetch=prefetch, work=self._work)

    async def start(self) -> None:
        """Begin to take events as soon as the broker is there. Returns at once."""
        await self._worker.start()

    async def pause(self) -> None:
        """Take no more until `resume`; finish what is in hand, give back what is not begun. See the worker."""
        await self._worker.pause()

    async def resume(self) -> None:
        """Take events again, as soon as the broker is there. Returns at once."""
        await self._worker.resume()

    async def check(self) -> None:
        """Readiness, beside the broker's own: raise with a text for people when no events are taken."""
        await self._worker.check()

    async def stop(self, *, grace_seconds: float) -> None:
        """Take no more, finish what is in hand, leave the rest to the broker to deliver again."""
        await self._worker.stop(grace_seconds=grace_seconds)

    async def _work(self, message: AbstractIncomingMessage, correlation_id: str) -> str:
        delivery = Delivery(
            attempt=max(1, whole_number(message, ATTEMPT, default=1)),
            redelivered=was_cut_off(message),
            correlation_id=correlation_id,
            resumed=RESUMED in message.headers and UNTOLD not in message.headers and not message.redelivered,
        )
        try:
            event = self._decoded(message)
        except ValueError as error:
            letter = DeadLetter(code=ErrorCode.UNDECODABLE_EVENT, reason=_what_is_wrong(error))
            await self._bury(message, letter, delivery)
            return "invalid"
        subject = _subject(event)
        structlog.contextvars.bind_contextvars(**subject)
        # no wamid: it holds a phone number, and a collector is somebody else's house
        annotate({f"attache.{name}": subject[key] for key, name in _SPAN_IDS.items() if key in subject})
        try:
            self._refuse_poison(message)
            async with asyncio.timeout(HANDLER_SECONDS):
                caused = await self._handler.handle(event, delivery)
        except Postponed as reason:
            log.info("event.postponed", queue=self._queue.name, reason=str(reason))
            await self._same_again(message, delivery, seconds=reason.seconds)
            return "retry"
        except Exception as error:  # the one place where any failure of a handler is turned into a decision
            return await self._after(event, error, message, delivery)
        await self._worker.until_confirmed(
            lambda: self._publisher.publish(caused, correlation_id=delivery.correlation_id)
        )
        return "ok"

    def _decoded(self, message: AbstractIncomingMessage) -> E:
        expected = type_name(self._event_type)
        if message.type is not None and message.type != expected:
            msg = f"type {message.type!r} came where {expected!r} is understood"
            raise ValueError(msg)
        return decode(self._event_type, message.body)

    def _refuse_poison(self, message: AbstractIncomingMessage) -> None:
        deliveries = deliveries_without_answer(message)
        if deliveries is not None:
            msg = f"given up: {deliveries} deliveries ended without an answer, as if the work killed the process"
            raise PermanentError(msg, code=self._poison_code)

    async def _after(self, event: E, error: Exception, message: AbstractIncomingMessage, delivery: Delivery) -> str:
        if not isinstance(error, PipelineError | DatabaseError):
            log.error("event.handler_raised", queue=self._queue.name, exc_info=error)
        try:
            decision = await self._handler.settle(event, error, delivery)
        except DatabaseError as unsettled:  # nothing could be written down, so nothing is decided: the same try again
            log.warning("event.not_settled", queue=self._queue.name, reason=type(unsettled).__name__)
            # a change may have been written all the same, whose answer was lost
            await self._same_again(message, delivery, untold=True)
            return "retry"
        except Exception as unsettled:  # a defect in settling, too, is tried again for a while and not for ever
            log.exception("event.not_settled", queue=self._queue.name)
            decision = self._policy.decide(unsettled, attempt=delivery.attempt, deadline=None, now=system_clock())
        if isinstance(decision, RetryIn):
            if decision.same_attempt:
                await self._same_again(message, delivery, seconds=decision.seconds)
            else:
                await self._retry(message, decision.seconds, {ATTEMPT: delivery.attempt + 1})
            return "retry"
        if isinstance(decision, DeadLetter):
            await self._bury(message, decision, delivery, event=event, error=error)
            return "dead_letter"
        return "ok"

    async def _same_again(
        self,
        message: AbstractIncomingMessage,
        delivery: Delivery,
        *,
        seconds: float | None = None,
        untold: bool = False,
    ) -> None:
        delay = min(self._policy.delays) if seconds is None else self._policy.rounded_up(seconds)
        headers: dict[str, str | int | bool] = {ATTEMPT: delivery.attempt, RESUMED: True}
        await self._retry(message, delay, headers | ({UNTOLD: True} if untold else {}))

    async def _retry(
        self, message: AbstractIncomingMessage, seconds: int, headers: dict[str, str | int | bool]
    ) -> None:
        # jitter, so that what failed together does not come back together
        expiration = seconds * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, guards nothing
        copy = copy_of(message, headers=headers, expiration_seconds=expiration)
        await self._worker.until_confirmed(lambda: self._publisher.send(self._queue.retry(seconds), copy))

    async def _bury(
        self,
        message: AbstractIncomingMessage,
        letter: DeadLetter,
        delivery: Delivery,
        *,
        event: E | None = None,
        error: Exception | None = None,
    ) -> None:
        headers = dead_letter_headers(
            letter,
            queue=self._queue,
            service=self._service,
            attempt=delivery.attempt,
            failed_at=system_clock(),
            phone_number_id=getattr(event, "phone_number_id", None),
            error=None if error is None or isinstance(error, PipelineError) else error,
        )
        log.error(
            "event.dead_lettered",
            queue=self._queue.name,
            code=letter.code,
            reason=letter.reason,
            next="list what was given up: make dlq; try it again: make dlq-replay; docs/operations.md says when",
        )
        await self._worker.until_confirmed(lambda: bury(self._publisher, message, queue=self._queue, headers=headers))


def _subject(event: Event) -> dict[str, str]:
    names = {
        "mediaId": "media_id",
        "messageId": "message_id",
        "conversationId": "conversation_id",
        "phoneNumberId": "phone_number_id",
    }
    return {key: value for key, name in names.items() if isinstance(value := getattr(event, name, None), str)}


def _what_is_wrong(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    places = [".".join(str(part) for part in mistake["loc"]) or "body" for mistake in error.errors()]
    return f"not understood: {', '.join(dict.fromkeys(places))}"
