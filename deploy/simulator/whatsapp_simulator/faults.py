"""One fault: what goes wrong, at which request, for how many."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from whatsapp_simulator.fault_names import FAULTS, FaultName, Step
from whatsapp_simulator.targets import Target

__all__ = ["BodyForm", "Fault", "FaultName", "Per", "RetryAfterForm", "Shape", "Step"]

_FOR_ALL = {"name", "times", "at", "share", "per"}
_REDIRECTS = {301, 302, 303, 307, 308}


class Per(StrEnum):
    """What `share` is a share of."""

    REQUEST = "request"  # each request has its own luck: a retry may well succeed
    ATTACHMENT = "attachment"  # some media ids are unlucky, `times` times or always; the others never


class BodyForm(StrEnum):
    """The body of a refusal."""

    JSON = "json"
    EMPTY = "empty"
    HTML = "html"
    TEXT = "text"
    CUT_JSON = "cut_json"  # ends in the middle
    WRONG_TYPES = "wrong_types"  # an `error` whose code is text and whose message is a number


class RetryAfterForm(StrEnum):
    """How `Retry-After` says it."""

    SECONDS = "seconds"
    DATE = "date"
    FRACTION = "fraction"  # "1.5": not allowed, yet seen
    NEGATIVE = "negative"
    JUNK = "junk"


class Shape(StrEnum):
    """Metadata of another form than expected."""

    FIELDS = "fields"  # all but the link have a wrong type
    URL = "url"  # the link is a number
    NO_URL = "no_url"
    EMPTY_OBJECT = "empty_object"
    ARRAY = "array"
    TEXT = "text"
    NUMBER = "number"
    NULL = "null"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. `times=None` lasts until it is cleared; `at=None` takes the step at which this fault usually shows.

    `share` below 1 leaves the others alone. An option that means nothing to this fault is refused.
    """

    name: FaultName
    times: int | None = None
    at: Step | None = None
    share: float = 1.0
    per: Per = Per.REQUEST
    status: int | None = None
    code: int | None = None
    subcode: int | None = None
    is_transient: bool | None = None
    message: str | None = None
    body: BodyForm | None = None
    retry_after_seconds: int | None = 1  # None: no such header
    retry_after_form: RetryAfterForm | None = (
        None  # other refusals than `rate_limited` have the header if this is given
    )
    regain_access_minutes: int | None = None
    delay_seconds: float = 1.0
    bytes_per_second: int = 1024
    size_bytes: int | None = None
    after_bytes: int | None = None
    target: Target = Target.SAME_HOST
    url: str | None = None  # any place; `{path}` in it becomes path and query of a link that works
    hops: int = 1
    shape: Shape = Shape.FIELDS

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem is not None:
            raise ValueError(f"{self.name}: {problem}")

    @property
    def step(self) -> Step:
        """The request that this fault meets."""
        return self.at or FAULTS[self.name].steps[0]

    def _problem(self) -> str | None:
        kind = FAULTS[self.name]
        meaningless = [
            field.name
            for field in fields(self)
            if field.name not in _FOR_ALL | kind.options and getattr(self, field.name) != field.default
        ]
        counts = (self.size_bytes, self.after_bytes, self.retry_after_seconds, self.regain_access_minutes)
        checks = {
            f"{', '.join(meaningless)} means nothing to it": bool(meaningless),
            "times must be 1 or more, or absent": self.times is not None and self.times < 1,
            f"shows only at the {kind.steps[0]}": self.step not in kind.steps,
            "share must be above 0 and at most 1": not 0 < self.share <= 1,
            "a time, a size or a count cannot be negative": self.delay_seconds < 0
            or any(count is not None and count < 0 for count in counts),
            "bytes_per_second and hops must be 1 or more": self.bytes_per_second < 1 or self.hops < 1,
            self._status_problem() or "": self._status_problem() is not None,
        }
        return next((words for words, wrong in checks.items() if wrong), None)

    def _status_problem(self) -> str | None:
        status = self.status
        if status is None:
            return None
        if self.name is FaultName.SERVER_ERROR and not 500 <= status <= 599:
            return f"{status} is not a 5xx status"
        if self.name is FaultName.REDIRECT and status not in _REDIRECTS:
            return f"{status} is not a redirect"
        lowest = 200 if self.name in {FaultName.EMPTY, FaultName.HTML, FaultName.NOT_JSON, FaultName.JSON} else 400
        if self.name is not FaultName.REDIRECT and not lowest <= status <= 599:
            return f"{status} is not a status from {lowest} to 599"
        return None
