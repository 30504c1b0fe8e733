"""A document that failed, and a dead letter that may be missing: the process ended between the two."""

from shared.errors import PermanentError
from shared.media import Attachment, Failure, FailureStage, MediaStatus


class GivenUpBefore(PermanentError):
    """The document failed with this event's attempt already; only the letter is to be written, again if need be."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(
            failure.message,
            code=failure.code,
            provider_status=failure.provider_status,
            provider_code=failure.provider_code,
        )


def given_up_at(stage: FailureStage, current: Attachment) -> Failure | None:
    """Why it failed at this stage; None when it did not."""
    failure = current.media.failure
    at_stage = failure is not None and failure.stage is stage and current.media.status is MediaStatus.FAILED
    return failure if at_stage else None
