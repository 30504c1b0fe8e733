"""What an attachment says that Meta deleted while its number had no credentials that worked."""

from datetime import datetime

from shared.errors import ErrorCode
from shared.media import Failure
from shared.model import rfc3339

_WHY = {
    ErrorCode.PROVIDER_AUTH: "Meta refused the access token of this number",
    ErrorCode.PROVIDER_PERMISSION: "the access token might not read media of this number",
    ErrorCode.NO_INSTANCE: "there was no WhatsApp instance that works for this number",
}


def expired(failure: Failure, *, deadline: datetime, now: datetime) -> Failure:
    """The failure that takes the place of one that only new credentials would have healed."""
    reason = _WHY.get(failure.code, "it could not be fetched")
    if failure.code is ErrorCode.PROVIDER_AUTH and failure.provider_code is None:
        reason = f"Meta answered HTTP {failure.provider_status} (not authorized)"
    said = f" (Graph error {failure.provider_code})" if failure.provider_code is not None else ""
    return failure.model_copy(
        update={
            "code": ErrorCode.MEDIA_EXPIRED,
            "message": f"{reason}{said} until Meta deleted the media, at about {rfc3339(deadline)}; "
            "ask the customer to send it again",
            "at": now,
        }
    )
