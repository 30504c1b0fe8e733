"""What a failed attempt means for its document: another attempt at a time, or the end, and both said aloud."""

from datetime import datetime, timedelta

import structlog

from ingestor.attempts import Attempts
from shared.broker.consumer import Delivery
from shared.broker.retry import DeadLetter, Decision, RetryIn, RetryPolicy, Settled, given_up
from shared.clock import Clock
from shared.errors import CredentialError, ErrorCode, PermanentError, PipelineError, SlowedDown
from shared.events import MediaReceived
from shared.media import Attachment, FailureStage, MediaStatus
from shared.model import rfc3339
from shared.moves import Move, failure_of, mark_failed, wait_for_retry
from shared.repository.healable import HEALING
from shared.repository.messages import MessageRepository
from shared.repository.mongo import DatabaseError
from shared.unburied import GivenUpBefore
from shared.updates import Announcer

log = structlog.get_logger(__name__)

_GONE = (ErrorCode.MEDIA_EXPIRED, ErrorCode.PROVIDER_REJECTED)


class Settlement:
    """Applies the retry policy to one document."""

    def __init__(
        self,
        *,
        messages: MessageRepository,
        announcer: Announcer,
        attempts: Attempts,
        policy: RetryPolicy,
        clock: Clock,
        lifetime: timedelta,
    ) -> None:
        self._messages = messages
        self._announcer = announcer
        self._attempts = attempts
        self._policy = policy
        self._clock = clock
        self._lifetime = lifetime

    async def settle(self, event: MediaReceived, error: Exception, delivery: Delivery) -> Decision:
        """Plan the next attempt or give up, and write it into the document.

        Raises `DatabaseError` when nothing can be written down; the consumer then tries the event again soon.
        """
        if isinstance(error, DatabaseError):
            raise error
        if isinstance(error, GivenUpBefore):
            return given_up(error)
        now = self._clock()
        error = self._judged(error, event, now)
        while True:
            current = await self._messages.get(event.media_id)
            deadline = current.media.deadline if current is not None else now + self._lifetime
            decision = self._policy.decide(error, attempt=delivery.attempt, deadline=deadline, now=now)
            if current is None:  # it failed before there was a document
                self._tell_without_document(event, decision, delivery, error)
                return decision
            if current.media.status is not MediaStatus.PENDING or current.media.attempts > delivery.attempt:
                return Settled()
            change = await self._messages.change(current, _move(decision, error, now))
            if change is not None:
                if not (isinstance(error, SlowedDown) and isinstance(decision, RetryIn)):  # no attempt was made
                    self._tell(change.attachment, decision, delivery, error)
                self._announcer.announce(change)
                return decision

    def _judged(self, error: Exception, event: MediaReceived, now: datetime) -> Exception:
        """Not found, and older than Meta keeps media: it has expired, and no waiting brings it back."""
        if not isinstance(error, PipelineError) or error.code is not ErrorCode.PROVIDER_NOT_FOUND:
            return error
        if now - event.sent_at < self._lifetime:
            return error
        return PermanentError(
            f"Meta keeps media {self._lifetime / timedelta(days=1):g} days, and this one is gone; "
            "ask the customer to send it again",
            code=ErrorCode.MEDIA_EXPIRED,
            provider_status=error.provider_status,
            provider_code=error.provider_code,
        )

    def _tell(
        self, attachment: Attachment, decision: RetryIn | DeadLetter, delivery: Delivery, error: Exception
    ) -> None:
        failure = attachment.media.failure
        will_retry = isinstance(decision, RetryIn)
        tell = log.warning if will_retry else log.error
        tell(
            "Failed to ingest WhatsApp media",
            conversationId=attachment.conversation_id,
            messageId=attachment.message_id,
            mediaId=attachment.id,
            phoneNumberId=attachment.phone_number_id,
            providerStatus=failure.provider_status if failure else None,
            providerCode=failure.provider_code if failure else None,
            code=failure.code.value if failure else None,
            reason=failure.message if failure else None,
            attempt=delivery.attempt,
            willRetry=will_retry,
            nextAttemptAt=_shown(attachment.media.next_attempt_at),
            deadline=_shown(attachment.media.deadline),
            next="it is tried again by itself" if will_retry else _next_step(attachment, error),
        )
        self._attempts.count(
            "retry" if will_retry else "failed",
            attachment,
            code=failure.code if failure else None,
            provider_status=failure.provider_status if failure else None,
        )

    def _tell_without_document(
        self, event: MediaReceived, decision: RetryIn | DeadLetter, delivery: Delivery, error: Exception
    ) -> None:
        cause = decision if isinstance(decision, DeadLetter) else given_up(error)
        will_retry = isinstance(decision, RetryIn)
        tell = log.warning if will_retry else log.error
        tell(
            "Failed to ingest WhatsApp media",
            conversationId=None,
            messageId=event.message_id,
            mediaId=event.media_id,
            phoneNumberId=event.phone_number_id,
            providerStatus=cause.provider_status,
            providerCode=cause.provider_code,
            code=cause.code.value,
            reason=cause.reason,
            attempt=delivery.attempt,
            willRetry=will_retry,
            next="it is tried again by itself" if will_retry else "once the reason is mended: make dlq-replay",
        )
        self._attempts.count(
            "retry" if will_retry else "failed", event, code=cause.code, provider_status=cause.provider_status
        )


def _move(decision: RetryIn | DeadLetter, error: Exception, now: datetime) -> Move:
    version = error.instance_version if isinstance(error, PipelineError) else None
    cause = error if isinstance(decision, RetryIn) else decision
    failure = failure_of(cause, stage=FailureStage.INGEST, at=now, instance_version=version)
    if isinstance(decision, RetryIn):
        return wait_for_retry(failure, delay_seconds=decision.seconds, now=now)
    return mark_failed(failure)


def _next_step(attachment: Attachment, error: Exception) -> str:
    failure = attachment.media.failure
    if isinstance(error, CredentialError) and error.code in HEALING:
        return "it is fetched by itself when Meta accepts the credentials of its number; see them with: make instances"
    if failure is not None and failure.code in _GONE:
        return "no retry helps, as Meta does not give this media any more; ask the customer to send it again"
    if failure is not None and failure.code is ErrorCode.PROVIDER_NOT_FOUND:
        return f"ask the customer to send it again; if Meta should have it after all: make retry ID={attachment.id}"
    return f"once the reason is mended, try it again with: make retry ID={attachment.id}"


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
