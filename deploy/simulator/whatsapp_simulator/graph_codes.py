"""The error codes of Graph and the Cloud API, with the HTTP status that each usually has.

Meta's present pages give no statuses; these are those of its older tables. Decide by the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class GraphCode:
    """`details` goes into `error_data`, which only WhatsApp's own codes have."""

    status: int
    message: str
    details: str | None = None
    is_transient: bool = False


def _whatsapp(code: int, status: int, message: str, details: str, *, is_transient: bool = False) -> GraphCode:
    text = f"(#{code}) {message}"
    return GraphCode(status=status, message=text, details=details, is_transient=is_transient)


_CODES: Mapping[int, GraphCode] = MappingProxyType(
    {
        0: GraphCode(status=401, message="We were unable to authenticate the app user."),
        1: GraphCode(status=500, message="An unknown error occurred", is_transient=True),
        2: GraphCode(
            status=503,
            message="An unexpected error has occurred. Please retry your request later.",
            is_transient=True,
        ),
        3: GraphCode(status=403, message="(#3) Application does not have the capability to make this API call."),
        4: GraphCode(status=400, message="(#4) Application request limit reached", is_transient=True),
        10: GraphCode(status=403, message="(#10) Application does not have permission for this action"),
        33: GraphCode(status=400, message="(#33) This object does not exist or does not support this action"),
        100: GraphCode(status=400, message="(#100) Invalid parameter"),
        104: GraphCode(status=401, message="An access token is required to request this resource."),
        190: GraphCode(status=401, message="Invalid OAuth access token - Cannot parse access token"),
        368: GraphCode(status=403, message="(#368) Temporarily blocked for policies violations"),
        2500: GraphCode(status=400, message="Unknown path components"),
        80007: GraphCode(
            status=400, message="(#80007) There have been too many calls to this WhatsApp Business account."
        ),
        130429: _whatsapp(130429, 400, "Rate limit hit", "Cloud API message throughput has been reached."),
        131000: _whatsapp(131000, 500, "Something went wrong", "The request failed for an unknown reason."),
        131005: _whatsapp(131005, 403, "Access denied", "The permission is not granted or was removed."),
        131008: _whatsapp(131008, 400, "Required parameter is missing", "A required parameter is missing."),
        131009: _whatsapp(131009, 400, "Parameter value is not valid", "The value of a parameter is not valid."),
        131016: _whatsapp(131016, 500, "Service unavailable", "A service is temporarily unavailable."),
        131031: _whatsapp(131031, 403, "Account has been locked", "The business account is locked."),
        131045: _whatsapp(131045, 500, "Incorrect certificate", "The phone number is not registered."),
        131047: _whatsapp(131047, 400, "Re-engagement message", "More than 24 hours have passed since the last reply."),
        131048: _whatsapp(131048, 400, "Spam rate limit hit", "Too many earlier messages were blocked or reported."),
        131052: _whatsapp(131052, 400, "Media download error", "The media sent by the user could not be downloaded."),
        131053: _whatsapp(131053, 400, "Media upload error", "The media could not be uploaded."),
        131056: _whatsapp(131056, 400, "Pair rate limit hit", "Too many messages to one user in a short time."),
        131057: _whatsapp(131057, 500, "Account in maintenance mode", "The account is in maintenance mode."),
        133010: _whatsapp(133010, 400, "Phone number not registered", "The phone number is not registered."),
    }
)
_SUBCODES = {
    (190, 463): "Error validating access token: Session has expired on Monday, 21-Sep-26 10:00:00 PDT.",
    (190, 467): "Error validating access token: The session is invalid because the user logged out.",
    (100, 33): "Unsupported get request. Object with ID '{object}' does not exist, cannot be loaded due to missing "
    "permissions, or does not support this operation",
}


def look_up(code: int, subcode: int | None = None, *, about: str = "") -> GraphCode:
    """What is known of this code; `about` is the object that the request asked for."""
    known = _CODES.get(code)
    if known is None:
        status = 403 if 200 <= code <= 299 else 400
        known = GraphCode(status=status, message=f"(#{code}) {'Permissions error' if status == 403 else 'Error'}")
    message = _SUBCODES.get((code, subcode or 0))
    if message is None:
        return known
    return GraphCode(status=known.status, message=message.replace("{object}", about))
