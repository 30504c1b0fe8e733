"""The retry policy: a pure decision from an error, the attempt, the deadline and the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import CredentialError, ErrorCode, PermanentError, PipelineError, SlowedDown, TransientError


@dataclass(frozen=True, kw_only=True)
class RetryIn:
    """Try again after at most `seconds`, one of the listed delays. `same_attempt`: what was tried does not count."""

    seconds: int
    same_attempt: bool = False


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Give up, for this reason; `code` is what the document and the headers say."""

    code: ErrorCode
    reason: str
    provider_status: int | None = None
    provider_code: int | None = None


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Nothing is left to do: another attempt got there, or the attachment was erased meanwhile."""


Decision = RetryIn | DeadLetter | Settled


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """`delays` in seconds, in order; the last one repeats until the deadline."""

    delays: Sequence[int]

    def decide(
        self, error: Exception, *, attempt: int, deadline: datetime | None, now: datetime
    ) -> RetryIn | DeadLetter:
        """What to do after `attempt` (1 is the first) ended with `error`.

        Without a deadline, and for errors that are not ours (bugs), the list of delays is used up once.
        """
        if isinstance(error, PermanentError | CredentialError):
            return given_up(error)
        if isinstance(error, TransientError):
            limit = error.max_retries
            if deadline is None:
                limit = len(self.delays) if limit is None else min(limit, len(self.delays))
            asked = error.retry_after_seconds or 0
        else:
            limit, asked = len(self.delays), 0
        same_attempt = isinstance(error, SlowedDown)
        if limit is not None and attempt > limit:
            return given_up(error, note=f"given up after {attempt} attempts; it can be retried")
        usual = 0 if same_attempt else self.delays[min(attempt, len(self.delays)) - 1]
        delay = self.rounded_up(max(usual, asked))
        if deadline is None or now + timedelta(seconds=delay) <= deadline:
            return RetryIn(seconds=delay, same_attempt=same_attempt)
        fitting = [seconds for seconds in self.delays if now + timedelta(seconds=seconds) <= deadline]
        if fitting:
            return RetryIn(seconds=max(fitting), same_attempt=same_attempt)
        if same_attempt:  # whoever has not been asked for yet is asked for at least once
            return RetryIn(seconds=delay, same_attempt=True)
        expired = given_up(
            error, note=f"out of time after {attempt} attempts: Meta has deleted it; ask the customer to send it again"
        )
        return DeadLetter(
            code=ErrorCode.MEDIA_EXPIRED,
            reason=expired.reason,
            provider_status=expired.provider_status,
            provider_code=expired.provider_code,
        )

    def rounded_up(self, seconds: float) -> int:
        """The shortest listed delay that is not shorter; else the longest."""
        return min((delay for delay in self.delays if delay >= seconds), default=max(self.delays))


def given_up(error: Exception, *, note: str | None = None) -> DeadLetter:
    """`error` as a reason for people; of a foreign exception only its type, its text may hold anything."""
    if isinstance(error, PipelineError):
        reason = f"{error.message} ({note})" if note else error.message
        return DeadLetter(
            code=error.code,
            reason=reason,
            provider_status=error.provider_status,
            provider_code=error.provider_code,
        )
    reason = f"internal error: {type(error).__name__}"
    return DeadLetter(code=ErrorCode.INTERNAL, reason=f"{reason} ({note})" if note else reason)
