"""What goes wrong on request: faults, per media id, each for so many requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """The two requests that fetching one attachment takes."""

    METADATA = "metadata"  # GET /{version}/{media-id}
    DOWNLOAD = "download"  # GET {url}


class FaultName(StrEnum):
    """Every way in which Meta is known to fail."""

    EXPIRED = "expired"  # metadata: code 100/33, as after seven days; download: 404, as after five minutes
    UNAUTHORIZED = "unauthorized"  # metadata: 401 with code 190; download: 401 "Authentication Error"
    RATE_LIMITED = "rate_limited"  # 429 with Retry-After
    SERVER_ERROR = "server_error"  # 5xx; on metadata with a transient Graph error
    HTML = "html"  # 200 with a web page
    SLOW = "slow"  # the right answer, `delay_seconds` late
    RESET = "reset"  # the connection is reset; a download has brought half of the file by then
    CORRUPT = "corrupt"  # download: right size, wrong bytes
    TRUNCATED = "truncated"  # download: a complete answer with half of the file


_DOWNLOAD_ONLY = {FaultName.CORRUPT, FaultName.TRUNCATED}
_USUALLY_AT_DOWNLOAD = _DOWNLOAD_ONLY | {FaultName.RESET, FaultName.HTML, FaultName.SLOW}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. `times=None` lasts until it is cleared; `at=None` takes the step at which this fault usually shows."""

    name: FaultName
    times: int | None = None
    at: Step | None = None
    status: int = 503  # of `server_error`
    retry_after_seconds: int | None = 1  # of `rate_limited`; None leaves the header out
    delay_seconds: float = 1.0  # of `slow`

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise ValueError(f"{self.name}: times must be 1 or more, or absent")
        if self.name in _DOWNLOAD_ONLY and self.at is Step.METADATA:
            raise ValueError(f"{self.name}: shows only at the download")
        if not 500 <= self.status <= 599:
            raise ValueError(f"{self.name}: {self.status} is not a 5xx status")
        if self.delay_seconds < 0 or (self.retry_after_seconds or 0) < 0:
            raise ValueError(f"{self.name}: a time cannot be negative")

    @property
    def step(self) -> Step:
        """The request that this fault meets."""
        return self.at or (Step.DOWNLOAD if self.name in _USUALLY_AT_DOWNLOAD else Step.METADATA)


class FaultPlan:
    """The faults in force. Several for one media id take effect one after the other, each at its own step."""

    def __init__(self) -> None:
        self._faults: dict[str, tuple[Fault, ...]] = {}
        self._used: dict[tuple[str, int], int] = {}

    def put(self, media_id: str, *faults: Fault) -> None:
        """Replace what is planned for this media id; with no faults, everything about it works again."""
        for position in range(len(self._faults.pop(media_id, ()))):
            self._used.pop((media_id, position), None)
        if faults:
            self._faults[media_id] = faults

    def planned(self) -> dict[str, tuple[Fault, ...]]:
        """What was put, by media id; used-up faults included."""
        return dict(self._faults)

    def take(self, media_id: str, step: Step) -> Fault | None:
        """The fault that this request meets, counted as used; None when it is to succeed."""
        for position, fault in enumerate(self._faults.get(media_id, ())):
            used = self._used.get((media_id, position), 0)
            if fault.step is step and (fault.times is None or used < fault.times):
                self._used[media_id, position] = used + 1
                return fault
        return None
