"""What may be wrong with an attachment, how that shows at Meta, and how it has to end. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from whatsapp_simulator import Fault, FaultName, Step, Target


class Trouble(StrEnum):
    """What is wrong with one attachment, whatever else happens."""

    NONE = "none"
    # for good
    TOO_LARGE = "too large"
    TOO_OLD = "older than Meta keeps media"
    GONE = "unknown to Meta"
    CORRUPT = "other bytes than announced, always"
    REJECTED = "refused by Meta as a bad request"
    FOREIGN_HOST = "a link to a foreign host"
    BROKEN_PICTURE = "a picture that no decoder can read"
    # at first
    TRUNCATED_ONCE = "truncated once"
    CORRUPT_ONCE = "other bytes once"
    LOGIN_PAGE_ONCE = "a login page in its place once"
    RESET_ONCE = "the connection reset once"
    STALL_ONCE = "stalls once"
    RATE_LIMITED_ONCE = "429 once"
    SERVER_ERROR_TWICE = "503 twice"
    NO_JSON_ONCE = "metadata that is no JSON once"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attachment has to end."""

    status: str
    code: str | None = None


READY = Outcome(status="ready")
_AT_METADATA, _AT_DOWNLOAD = Step.METADATA, Step.DOWNLOAD

FAULTS: Mapping[Trouble, tuple[Fault, ...]] = {
    Trouble.TOO_OLD: (Fault(name=FaultName.EXPIRED),),
    Trouble.GONE: (Fault(name=FaultName.EXPIRED),),
    Trouble.CORRUPT: (Fault(name=FaultName.CORRUPT),),
    Trouble.REJECTED: (Fault(name=FaultName.GRAPH_ERROR, code=100),),
    Trouble.FOREIGN_HOST: (Fault(name=FaultName.WRONG_URL, target=Target.LOOKALIKE_HOST),),
    Trouble.TRUNCATED_ONCE: (Fault(name=FaultName.TRUNCATED, times=1),),
    Trouble.CORRUPT_ONCE: (Fault(name=FaultName.CORRUPT, times=1),),
    Trouble.LOGIN_PAGE_ONCE: (Fault(name=FaultName.HTML, times=1),),
    Trouble.RESET_ONCE: (Fault(name=FaultName.RESET, at=_AT_DOWNLOAD, times=1),),
    Trouble.STALL_ONCE: (Fault(name=FaultName.STALL, at=_AT_DOWNLOAD, delay_seconds=2.0, times=1),),
    Trouble.RATE_LIMITED_ONCE: (Fault(name=FaultName.RATE_LIMITED, times=1),),
    Trouble.SERVER_ERROR_TWICE: (Fault(name=FaultName.SERVER_ERROR, status=503, times=2),),
    Trouble.NO_JSON_ONCE: (Fault(name=FaultName.NOT_JSON, at=_AT_METADATA, times=1),),
}
ENDS: Mapping[Trouble, Outcome] = {
    Trouble.TOO_LARGE: Outcome(status="skipped", code="media_too_large"),
    Trouble.TOO_OLD: Outcome(status="failed", code="media_expired"),
    Trouble.GONE: Outcome(status="failed", code="provider_not_found"),
    Trouble.CORRUPT: Outcome(status="failed", code="media_corrupt"),
    Trouble.REJECTED: Outcome(status="failed", code="provider_rejected"),
    Trouble.FOREIGN_HOST: Outcome(status="failed", code="host_not_allowed"),
    Trouble.BROKEN_PICTURE: Outcome(status="failed", code="preview_unreadable"),
}
"""Of those whose trouble is for good; all others have to become ready."""
SHARES = {
    Trouble.TOO_LARGE: 0.02,
    Trouble.TOO_OLD: 0.01,
    Trouble.GONE: 0.01,
    Trouble.CORRUPT: 0.01,
    Trouble.REJECTED: 0.005,
    Trouble.FOREIGN_HOST: 0.005,
    Trouble.BROKEN_PICTURE: 0.015,
    Trouble.TRUNCATED_ONCE: 0.03,
    Trouble.CORRUPT_ONCE: 0.02,
    Trouble.LOGIN_PAGE_ONCE: 0.01,
    Trouble.RESET_ONCE: 0.02,
    Trouble.STALL_ONCE: 0.01,
    Trouble.RATE_LIMITED_ONCE: 0.02,
    Trouble.SERVER_ERROR_TWICE: 0.02,
    Trouble.NO_JSON_ONCE: 0.01,
}
"""How many attachments in one have it; the others have none."""
