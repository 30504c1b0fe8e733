"""Taking messages from a queue: so many at a time, each acked when the work on it is done, and an orderly stop."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import AMQPError
from opentelemetry.trace import Span

from shared.broker.connection import Broker
from shared.broker.envelope import ATTEMPT, DELIVERY_COUNT, REPLAYED, RESUMED, whole_number
from shared.broker.publisher import PublishFailed
from shared.broker.topology import WorkQueue, declare
from shared.broker.tracing import processing
from shared.clock import seconds_since
from shared.ids import new_correlation_id
from shared.metrics import EVENT_LAG_SECONDS, EVENT_SECONDS, EVENTS, EVENTS_CAPACITY, EVENTS_IN_FLIGHT
from shared.tracing import failed

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_CANCEL_SECONDS = 2.0
_LOST = (AMQPError, ConnectionError, RuntimeError)  # the channel or the connection is gone
_POISON_DELIVERIES = 10
_UNANSWERED = frozenset({"not_acked", "given_back", "left_to_redelivery"})

Work = Callable[[AbstractIncomingMessage, str], Awaitable[str]]
"""A message and its correlation id in, its outcome (ok, retry, dead_letter, invalid) out."""


class Worker:
    """Works off one queue. What a message is and what it causes is the business of `work`."""

    def __init__(self, *, broker: Broker, queue: WorkQueue, prefetch: int, work: Work) -> None:
        self._broker = broker
        self._queue = queue
        self._prefetch = prefetch
        self._work = work
        self._started = False
        self._paused = False
        self._starting: asyncio.Task[None] | None = None
        self._declared: AbstractQueue | None = None
        self._consuming: tuple[AbstractQueue, str] | None = None
        self._in_hand: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Begin to take messages as soon as the broker is there, unless paused. Returns at once."""
        EVENTS_IN_FLIGHT.labels(self._queue.name).set(0)
        EVENTS_CAPACITY.labels(self._queue.name).set(self._prefetch)
        self._started = True
        if not self._paused:
            self._starting = asyncio.create_task(self._consume())

    async def pause(self) -> None:
        """Take no more until `resume`; finish what is in hand. What comes unbegun goes back to its queue.

        Lasts through a lost connection. May be called before `start`, which then begins with `resume`.
        """
        if not self._paused:
            self._paused = True
            await self._take_no_more()
            if self._started:
                log.info("consumer.paused", queue=self._queue.name)

    async def resume(self) -> None:
        """Take messages again, as soon as the broker is there. Returns at once."""
        if self._paused:
            self._paused = False
            if self._started and not self._stopping.is_set():
                self._starting = asyncio.create_task(self._consume())

    async def stop(self, *, grace_seconds: float) -> None:
        """Take no more, finish what is in hand, leave the rest to the broker to deliver again."""
        self._stopping.set()
        await self._take_no_more()
        if self._in_hand:
            _, late = await asyncio.wait(self._in_hand, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def check(self) -> None:
        """Readiness, beside the broker's own: raise with a text for people when no messages are taken.

        Not while paused: whoever paused it says why.
        """
        if self._consuming is None and not self._paused:
            msg = f"messages of {self._queue.name} are not taken yet; the log says what is being waited for"
            raise ConnectionError(msg)

    async def until_confirmed(self, publish: Callable[[], Awaitable[None]]) -> None:
        """What was done must be told: publish again, rather than work again, while the broker is away or blocked."""
        pause = _AGAIN_SECONDS
        while True:
            try:
                await publish()
            except PublishFailed as error:
                log.warning("event.not_confirmed", queue=self._queue.name, reason=str(error), retryInSeconds=pause)
                await self._room_or_stop(pause)
                # a blocked broker may well take what it does not confirm: each try may be one more copy
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                if self._stopping.is_set():
                    raise asyncio.CancelledError from error
            else:
                return

    async def _room_or_stop(self, seconds: float) -> None:
        """Wait so long; shorter when an alarm of the broker ends, or the service stops."""
        waits: list[asyncio.Task[object]] = [asyncio.create_task(self._stopping.wait())]
        if self._broker.alarm.raised:
            waits.append(asyncio.create_task(self._broker.alarm.over()))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _consume(self) -> None:
        while True:
            try:
                if self._declared is None:
                    channel = await self._broker.consuming_channel(prefetch=self._prefetch)
                    # declared, not only named: a robust channel brings back after a reconnect what it has declared
                    (self._declared,) = await declare(channel, (self._queue.work,))
                self._consuming = (self._declared, await self._declared.consume(self._take))
            except _LOST as error:
                log.warning("consumer.not_started", queue=self._queue.name, reason=type(error).__name__)
                self._declared = None
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                log.info("consumer.started", queue=self._queue.name, prefetch=self._prefetch)
                return

    async def _take_no_more(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            with suppress(asyncio.CancelledError):
                await self._starting
        if self._consuming is not None:
            (queue, tag), self._consuming = self._consuming, None
            with suppress(*_LOST, TimeoutError):
                # without a connection the client would wait for the next one, however long that takes
                async with asyncio.timeout(_CANCEL_SECONDS):
                    await queue.cancel(tag)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        if self._stopping.is_set():
            return  # unacked: goes back to the queue when the channel closes
        if self._paused:
            await self._give_back(message)
            return
        task = asyncio.create_task(self._process(message))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)

    async def _give_back(self, message: AbstractIncomingMessage) -> None:
        """Delivered before the broker heard of the pause; or after, when a reconnect brought the consumer back."""
        with suppress(*_LOST):
            # first of all no more of it: what is given back to one that still takes comes again at once
            if self._declared is not None and message.consumer_tag is not None:
                await self._declared.cancel(message.consumer_tag)
            await message.nack(requeue=True)

    async def _process(self, message: AbstractIncomingMessage) -> None:
        started = time.perf_counter()
        if (lag := seconds_in_queue(message)) is not None:
            EVENT_LAG_SECONDS.labels(self._queue.name).observe(lag)
        correlation_id = message.correlation_id or new_correlation_id()
        # a task of its own has a context of its own: what is bound here and below ends with it
        structlog.contextvars.clear_contextvars()
        attempt = max(1, whole_number(message, ATTEMPT, default=1))
        structlog.contextvars.bind_contextvars(correlationId=correlation_id, attempt=attempt)
        with (
            EVENTS_IN_FLIGHT.labels(self._queue.name).track_inprogress(),
            processing(message, name=self._queue.name, correlation_id=correlation_id) as current,
        ):
            outcome = "left_to_redelivery"  # as it is when this is cancelled
            try:
                outcome = await self._answered(message, correlation_id)
            finally:
                self._tell(outcome, message, current, seconds=time.perf_counter() - started)

    async def _answered(self, message: AbstractIncomingMessage, correlation_id: str) -> str:
        try:
            outcome = await self._work(message, correlation_id)
            await message.ack()
        except _LOST:
            return "not_acked"  # the channel it came on is gone: the broker delivers it again
        except Exception:  # a defect outside of every handler: give it back, so that it is not held for ever
            log.exception("event.given_back", queue=self._queue.name)
            with suppress(*_LOST):
                await message.nack(requeue=True)
            return "given_back"
        return outcome

    def _tell(self, outcome: str, message: AbstractIncomingMessage, current: Span, *, seconds: float) -> None:
        """The one line of an event that was taken. Only what was answered counts: the rest comes again."""
        is_answered = outcome not in _UNANSWERED
        if is_answered:
            EVENTS.labels(self._queue.name, outcome).inc()
            EVENT_SECONDS.labels(self._queue.name).observe(seconds)
        current.set_attribute("attache.outcome", outcome)
        if outcome != "ok":
            failed(current, outcome)
        log.log(
            logging.INFO if is_answered else logging.WARNING,
            "event.handled",
            queue=self._queue.name,
            outcome=outcome,
            durationMs=round(seconds * 1000, 1),
            redelivered=was_cut_off(message),
        )


def was_cut_off(message: AbstractIncomingMessage) -> bool:
    """Whether an earlier try of the same attempt may have been under way when it was lost."""
    return bool(message.redelivered) or message.headers.get(RESUMED) is True


def seconds_in_queue(message: AbstractIncomingMessage) -> float | None:
    """How long an event waited to be taken. None when it was taken before: then its date tells something else."""
    waited_elsewhere = REPLAYED in message.headers or whole_number(message, ATTEMPT, default=1) > 1
    if message.timestamp is None or waited_elsewhere or was_cut_off(message):
        return None
    return seconds_since(message.timestamp)


def deliveries_without_answer(message: AbstractIncomingMessage) -> int | None:
    """How often this message came without ever being acked, once that is too often to be chance; else None."""
    deliveries = whole_number(message, DELIVERY_COUNT, default=0)
    return deliveries if deliveries >= _POISON_DELIVERIES else None
