"""A dead letter tells its own story, in headers."""

import traceback
from datetime import datetime

from aio_pika.abc import AbstractIncomingMessage

from shared.broker.envelope import ATTEMPT, copy_of
from shared.broker.publisher import Publisher
from shared.broker.retry import DeadLetter
from shared.broker.topology import WorkQueue
from shared.model import rfc3339

_TRACEBACK_CHARACTERS = 4000


def dead_letter_headers(
    letter: DeadLetter,
    *,
    queue: WorkQueue,
    service: str,
    attempt: int,
    failed_at: datetime,
    phone_number_id: str | None = None,
    error: BaseException | None = None,
) -> dict[str, str | int]:
    """The headers of the contract; `error` adds its traceback when it is a defect of ours."""
    headers: dict[str, str | int] = {
        "x-reason": letter.reason,
        "x-error-code": letter.code.value,
        ATTEMPT: attempt,
        "x-failed-at": rfc3339(failed_at),
        "x-service": service,
        "x-original-queue": queue.name,
    }
    if letter.provider_status is not None:
        headers["x-provider-status"] = letter.provider_status
    if phone_number_id is not None:
        headers["x-phone-number-id"] = phone_number_id
    if error is not None:
        # frames only: the text of a foreign exception may hold what a customer wrote
        frames = "".join(traceback.format_tb(error.__traceback__))
        headers["x-traceback"] = f"{frames[-_TRACEBACK_CHARACTERS:]}{type(error).__name__}"
    return headers


async def bury(
    publisher: Publisher, message: AbstractIncomingMessage, *, queue: WorkQueue, headers: dict[str, str | int]
) -> None:
    """Put a copy with these headers into the queue's dead-letter queue; confirmed or `PublishFailed`."""
    await publisher.send(queue.dead_letters, copy_of(message, headers=headers))
