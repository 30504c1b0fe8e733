"""What Graph means by an error: by its code first, by the HTTP status second (reference section 3.7)."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict

from shared.errors import CredentialError, ErrorCode, PermanentError, PipelineError, TransientError
from shared.model import Model

_FEW_RETRIES = 3
_MAINTENANCE_SECONDS = 120.0
_LARGEST = 2**31

_TOKEN = frozenset({0, 104, 190})
_PERMISSION = frozenset({3, 10, *range(200, 300), 131005})
_ACCOUNT = {
    368: "Meta has restricted this business account for a policy violation",
    131031: "Meta has locked this business account",
    131045: "the registration of this number at Meta is faulty",
    133010: "this number is not registered with WhatsApp's Cloud API",
}
_NUMBER_TO_REGISTER = frozenset({131045, 133010})
_THROTTLED = frozenset({4, 80007, 130429, 131048, 131056})
_TRANSIENT = frozenset({1, 2, 131000, 131016})
_MAINTENANCE = 131057
_BAD_REQUEST = frozenset({33, 100, 131008, 131009, 131052, 131053})
_INVALID_PARAMETER = 100
_MISSING_OBJECT = 33  # as the subcode of 100


class GraphError(Model):
    """The `error` object of an answer, as far as it is there and of the right type."""

    model_config = ConfigDict(alias_generator=None)

    code: int | None = None
    error_subcode: int | None = None
    message: str | None = None
    is_transient: bool = False
    fbtrace_id: str | None = None


def read_error(body: bytes) -> GraphError:
    """The error in `body`; an empty one when the body is empty, HTML, or anything else that is not Graph's form."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return GraphError()
    error: Any = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return GraphError()
    wanted: dict[str, type] = {
        "code": int,
        "error_subcode": int,
        "message": str,
        "is_transient": bool,
        "fbtrace_id": str,
    }
    return GraphError.model_validate(
        {
            name: value
            for name, value in error.items()
            # a number that no database holds is no error code
            if isinstance(value, wanted.get(name, ())) and not (isinstance(value, int) and abs(value) > _LARGEST)
        }
    )


def classify(status: int, error: GraphError, *, retry_after_seconds: float | None) -> PipelineError:
    """Our error for Graph's. Its message is for the operator and names the next step where there is one."""
    code = error.code
    facts: dict[str, int | None] = {"provider_status": status, "provider_code": code}
    said = f"HTTP {status}" if code is None else f"Graph error {code}, HTTP {status}"
    if code in _TOKEN or (code == 200 and "access token" in (error.message or "").lower()):
        return _bad_token(said, facts)
    if code in _ACCOUNT:
        return _bad_account(code, said, facts)
    if code in _PERMISSION:
        return _no_permission(said, facts)
    if code == _INVALID_PARAMETER and error.error_subcode == _MISSING_OBJECT:
        return _not_found(said, facts)
    if code in _THROTTLED or status == 429:
        return TransientError(
            f"Meta asks to slow down ({said})",
            code=ErrorCode.PROVIDER_RATE_LIMITED,
            retry_after_seconds=retry_after_seconds,
            **facts,
        )
    if code == _MAINTENANCE:
        return _unavailable(said, facts, retry_after_seconds or _MAINTENANCE_SECONDS)
    if code in _TRANSIENT or error.is_transient or status >= 500:
        return _unavailable(said, facts, retry_after_seconds)
    if code in _BAD_REQUEST:
        return PermanentError(f"Meta refuses the request ({said})", code=ErrorCode.PROVIDER_REJECTED, **facts)
    return _by_status(status, said, facts, retry_after_seconds)


def dead_link(status: int) -> TransientError:
    """What it means when a link that Graph has just given is refused: Graph itself took the token, so try again."""
    code = ErrorCode.PROVIDER_AUTH if status == 401 else ErrorCode.PROVIDER_NOT_FOUND
    return TransientError(
        f"Meta's fresh link does not work (HTTP {status})", code=code, provider_status=status, max_retries=_FEW_RETRIES
    )


def wait_asked_for(headers: Mapping[str, str]) -> float | None:
    """Seconds until the next call, from `Retry-After` (seconds form) or Meta's usage header (minutes)."""
    waits: list[float] = []
    after = headers.get("Retry-After", "").strip()
    if after.isascii() and after.isdigit():
        waits.append(float(after))
    try:
        usage = json.loads(headers.get("X-Business-Use-Case-Usage", "{}"))
    except (ValueError, RecursionError):
        usage = {}
    for entries in usage.values() if isinstance(usage, dict) else ():
        for entry in entries if isinstance(entries, list) else ():
            minutes = entry.get("estimated_time_to_regain_access") if isinstance(entry, dict) else None
            if isinstance(minutes, int | float) and minutes > 0:
                waits.append(float(minutes) * 60)
    return max(waits, default=None)


def _by_status(
    status: int, said: str, facts: dict[str, int | None], retry_after_seconds: float | None
) -> PipelineError:
    if status == 401:
        return _bad_token(said, facts)
    if status == 403:
        return _no_permission(said, facts)
    if status in {404, 410}:
        return _not_found(said, facts)
    if 200 <= status < 400 or status == 408:
        return _unavailable(f"{said} without a usable answer", facts, retry_after_seconds)
    return PermanentError(f"Meta refuses the request ({said})", code=ErrorCode.PROVIDER_REJECTED, **facts)


def _bad_token(said: str, facts: dict[str, int | None]) -> CredentialError:
    return CredentialError(
        f"Meta refuses the access token of this number ({said}); save a new one with: make instance-set NUMBER=…, "
        "then this attachment is fetched by itself",
        code=ErrorCode.PROVIDER_AUTH,
        **facts,
    )


def _no_permission(said: str, facts: dict[str, int | None]) -> CredentialError:
    return CredentialError(
        f"the access token may not read media of this number ({said}); give its system user the permission "
        "whatsapp_business_messaging at Meta, then this attachment is fetched by itself within minutes",
        code=ErrorCode.PROVIDER_PERMISSION,
        **facts,
    )


def _bad_account(code: int, said: str, facts: dict[str, int | None]) -> CredentialError:
    """No token mends it: something is to be put right at Meta."""
    mend = (
        "register the number there again (POST /<phone number id>/register)"
        if code in _NUMBER_TO_REGISTER
        else "see the reason and ask for a review in Meta's Business Support"
    )
    return CredentialError(
        f"{_ACCOUNT[code]} ({said}); {mend}, then this attachment is fetched by itself within minutes; "
        "no new access token is needed",
        code=ErrorCode.PROVIDER_PERMISSION,
        **facts,
    )


def _not_found(said: str, facts: dict[str, int | None]) -> TransientError:
    return TransientError(
        f"Meta does not have this media, or not for this number ({said}); ask the customer to send it again",
        code=ErrorCode.PROVIDER_NOT_FOUND,
        max_retries=_FEW_RETRIES,
        **facts,
    )


def _unavailable(said: str, facts: dict[str, int | None], retry_after_seconds: float | None) -> TransientError:
    return TransientError(
        f"Meta has a passing problem ({said})",
        code=ErrorCode.PROVIDER_UNAVAILABLE,
        retry_after_seconds=retry_after_seconds,
        **facts,
    )
