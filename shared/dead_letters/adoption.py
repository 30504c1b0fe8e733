"""Letters that RabbitMQ buried itself, at its own delivery limit: they get a reason, and their documents fail."""

from datetime import datetime
from typing import Any

import structlog

from shared.broker.dead_letters import dead_letter_headers
from shared.broker.letter import Letter
from shared.broker.letters import Move
from shared.broker.retry import DeadLetter
from shared.broker.topology import PREVIEW, WorkQueue
from shared.clock import Clock
from shared.errors import ErrorCode
from shared.ids import new_correlation_id
from shared.media import Attachment, FailureStage, MediaStatus
from shared.moves import failure_of, mark_failed
from shared.repository.messages import MessageRepository
from shared.updates import Announcer

_NO_PREVIEW = (
    "The program that makes previews stopped each time it worked on this file, so it has none. "
    "The original can be downloaded."
)
"""What a support agent reads; how RabbitMQ puts it is for whoever looks at the letter."""


class Adoption:
    """Of the letters of one queue, by the service that works it off."""

    def __init__(
        self, queue: WorkQueue, *, service: str, messages: MessageRepository, announcer: Announcer, clock: Clock
    ) -> None:
        self._queue = queue
        self._service = service
        self._messages = messages
        self._announcer = announcer
        self._clock = clock
        self._is_preview = queue == PREVIEW

    async def adopt(self, letter: Letter) -> Move:
        """Fail the document, if nobody has taken it further since, then give the letter our headers."""
        now = self._clock()
        cause = DeadLetter(
            code=ErrorCode.PREVIEW_CRASHED if self._is_preview else ErrorCode.INTERNAL,
            reason=f"given up by RabbitMQ itself ({_why(letter)}), as if the work killed the process each time",
        )
        if letter.media_id is not None:
            correlation_id = letter.correlation_id or new_correlation_id()
            with structlog.contextvars.bound_contextvars(correlationId=correlation_id):
                await self._fail(letter.media_id, letter, cause, now)
        headers = dead_letter_headers(
            cause,
            queue=self._queue,
            service=self._service,
            attempt=letter.attempt,
            failed_at=now,
            phone_number_id=letter.phone_number_id,
        )
        return Move(to=self._queue.dead_letters, headers=headers)

    async def _fail(self, media_id: str, letter: Letter, cause: DeadLetter, now: datetime) -> None:
        stage = FailureStage.PREVIEW if self._is_preview else FailureStage.INGEST
        while True:
            try:
                current = await self._messages.get(media_id)
            except ValueError:  # broken by hand: it is found as such by whoever looks at the letter
                return
            if current is None or not self._is_waiting_for(current, letter):
                return
            failure = failure_of(cause, stage=stage, at=now)
            if self._is_preview:
                failure = failure.model_copy(update={"message": _NO_PREVIEW})
            change = await self._messages.change(current, mark_failed(failure))
            if change is not None:
                self._announcer.announce(change)
                return

    def _is_waiting_for(self, current: Attachment, letter: Letter) -> bool:
        if self._is_preview:
            return current.media.status is MediaStatus.STORED
        return current.media.status is MediaStatus.PENDING and current.media.attempts <= letter.attempt


def _why(letter: Letter) -> str:
    reason: Any = letter.headers.get("x-first-death-reason")
    deaths = letter.headers.get("x-death")
    if reason is None and isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):
        reason = deaths[0].get("reason")
    return str(reason) if reason is not None else "without a reason"
