"""What can go wrong, sorted by what there is to do about it.

PipelineError
├── TransientError      worth another try later, until the media's deadline
├── PermanentError      the same input will fail the same way
└── CredentialError     waits for a change of credentials; attempts are not burned

Postponed stands apart: nothing failed, the event only has to wait for its turn.

Foreign errors are translated into these once, at the edge where they appear.
"""

from enum import StrEnum

_DETAIL_CHARACTERS = 200


class ErrorCode(StrEnum):
    """`failure.code`, header `x-error-code` and metric label `code`."""

    PROVIDER_AUTH = "provider_auth"  # the access token is refused; heals when it is replaced
    PROVIDER_PERMISSION = "provider_permission"  # the token may not read this media; heals likewise
    PROVIDER_NOT_FOUND = "provider_not_found"  # Meta does not know the media, or not for this number
    PROVIDER_RATE_LIMITED = "provider_rate_limited"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    PROVIDER_REJECTED = "provider_rejected"  # Meta says no and will say so again
    MEDIA_EXPIRED = "media_expired"  # past its lifetime at Meta
    MEDIA_TOO_LARGE = "media_too_large"
    MEDIA_CORRUPT = "media_corrupt"  # size or digest differs from what was announced
    DOWNLOAD_TIMEOUT = "download_timeout"
    HOST_NOT_ALLOWED = "host_not_allowed"
    STORAGE_FULL = "storage_full"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    PREVIEW_TIMEOUT = "preview_timeout"
    PREVIEW_OUT_OF_MEMORY = "preview_out_of_memory"
    PREVIEW_UNREADABLE = "preview_unreadable"
    PREVIEW_CRASHED = "preview_crashed"
    NO_INSTANCE = "no_instance"  # no WhatsApp instance for this number; heals when one is added
    UNDECODABLE_EVENT = "undecodable_event"
    INTERNAL = "internal"  # a defect of ours


class PipelineError(Exception):
    """A failure with a code and a message for the operator. The message holds no secret and no personal data.

    `instance_version` is the version of the WhatsApp instance that was tried, where the attempt got that far.
    """

    code = ErrorCode.INTERNAL
    instance_version: int | None = None

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        provider_status: int | None = None,
        provider_code: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.provider_status = provider_status
        self.provider_code = provider_code


class TransientError(PipelineError):
    """Worth another try later.

    `retry_after_seconds` is the least the other side asked us to wait. `max_retries` ends the tries before the
    deadline does, for errors that waiting rarely mends.
    """

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        provider_status: int | None = None,
        provider_code: int | None = None,
        retry_after_seconds: float | None = None,
        max_retries: int | None = None,
    ) -> None:
        super().__init__(message, code=code, provider_status=provider_status, provider_code=provider_code)
        self.retry_after_seconds = retry_after_seconds
        self.max_retries = max_retries


class SlowedDown(TransientError):
    """Meta was not asked: this number has to wait first. No attempt was made."""

    code = ErrorCode.PROVIDER_RATE_LIMITED


class PermanentError(PipelineError):
    """The same input will fail the same way."""


class CredentialError(PipelineError):
    """The number's credentials do not work; trying again is useless until they change."""


class Postponed(Exception):
    """Not now, through no fault of the event's: it comes again as the same attempt.

    `seconds` is the least to wait; without it the event comes again as soon as the retry delays allow.
    """

    def __init__(self, reason: str, *, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class StorageUnavailable(TransientError):
    """The object store cannot be read or written right now."""

    code = ErrorCode.STORAGE_UNAVAILABLE


class StorageFull(TransientError):
    """No room left where attachments are kept."""

    code = ErrorCode.STORAGE_FULL


class ObjectTooLarge(PermanentError):
    """The bytes exceed the limit given to the writer."""

    code = ErrorCode.MEDIA_TOO_LARGE


class ObjectNotFound(Exception):
    """The store holds nothing under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"nothing is stored under {key}")
        self.key = key


class PreviewError(PermanentError):
    """No preview can be made; the original is still served.

    `message` is a sentence for a support agent: what is wrong with the file, and that the original can be downloaded.
    `detail` is for the log alone: the decoder's own words, made one short line, as the file may have a say in them.
    """

    def __init__(self, message: str, *, code: ErrorCode | None = None, detail: str = "") -> None:
        super().__init__(message, code=code)
        self.detail = _one_line(detail)


def _one_line(text: str) -> str:
    printable = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(printable.split())[:_DETAIL_CHARACTERS]


class PreviewTimeout(PreviewError):
    """Rendering took longer than allowed."""

    code = ErrorCode.PREVIEW_TIMEOUT


class PreviewOutOfMemory(PreviewError):
    """Rendering needed more memory than allowed."""

    code = ErrorCode.PREVIEW_OUT_OF_MEMORY


class PreviewUnreadable(PreviewError):
    """The bytes are not the picture they claim to be, or exceed the pixel or frame limit."""

    code = ErrorCode.PREVIEW_UNREADABLE


class PreviewCrashed(PreviewError):
    """The decoder took its worker process down."""

    code = ErrorCode.PREVIEW_CRASHED
