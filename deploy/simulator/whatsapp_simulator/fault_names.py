"""Every fault by name: at which request it can strike, which options it has, and in words what happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Step(StrEnum):
    """The two requests that fetching one attachment takes."""

    METADATA = "metadata"  # GET /{version}/{media-id}
    DOWNLOAD = "download"  # GET {url}


class FaultName(StrEnum):
    """Every way in which Meta, or the network on the way to it, is known to fail; `FAULTS` says what each does."""

    EXPIRED = "expired"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    GRAPH_ERROR = "graph_error"
    HTTP_STATUS = "http_status"
    EMPTY = "empty"
    HTML = "html"
    NOT_JSON = "not_json"
    JSON = "json"
    REDIRECT = "redirect"
    WRONG_TYPES = "wrong_types"
    WRONG_URL = "wrong_url"
    WRONG_SIZE = "wrong_size"
    TEXT_SIZE = "text_size"
    NO_SIZE = "no_size"
    WRONG_DIGEST = "wrong_digest"
    BASE64_DIGEST = "base64_digest"
    JUNK_DIGEST = "junk_digest"
    NO_DIGEST = "no_digest"
    WRONG_MIME = "wrong_mime"
    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    OVERSIZED = "oversized"
    SLOW = "slow"
    SLOW_BODY = "slow_body"
    STALL = "stall"
    RESET = "reset"
    GZIP = "gzip"
    GZIP_BOMB = "gzip_bomb"
    LENGTH_TOO_LARGE = "length_too_large"
    LENGTH_TOO_SMALL = "length_too_small"
    NO_LENGTH = "no_length"
    ENDLESS = "endless"


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """`steps`: where it can strike, where it usually does first. `options`: what of `Fault` means something to it.

    `words` name the options as the control API and the command line do.
    """

    steps: tuple[Step, ...]
    words: str
    options: frozenset[str] = frozenset()


_META, _FILE = (Step.METADATA,), (Step.DOWNLOAD,)
_META_FIRST, _FILE_FIRST = (Step.METADATA, Step.DOWNLOAD), (Step.DOWNLOAD, Step.METADATA)
_RETRY_AFTER = "retry_after_seconds retry_after_form"
_LEADS = "target url"


def _kind(steps: tuple[Step, ...], words: str, options: str = "") -> FaultKind:
    return FaultKind(steps=steps, words=words, options=frozenset(options.split()))


FAULTS: Mapping[FaultName, FaultKind] = MappingProxyType(
    {
        FaultName.EXPIRED: _kind(_META_FIRST, "metadata: code 100/33, as after 7 days; download: 404, as after 300 s"),
        FaultName.UNAUTHORIZED: _kind(_META_FIRST, "metadata: 401 with code 190; download: 401 Authentication Error"),
        FaultName.FORBIDDEN: _kind(_FILE_FIRST, "403; on metadata with code 10"),
        FaultName.GONE: _kind(_FILE_FIRST, "410"),
        FaultName.RATE_LIMITED: _kind(
            _META_FIRST,
            "429 with `Retry-After`; on metadata with code 4 (or 80007, 130429) and the usage headers",
            f"status code body regain_access_minutes {_RETRY_AFTER}",
        ),
        FaultName.SERVER_ERROR: _kind(
            _META_FIRST, "a 5xx status; on metadata with code 2 and `is_transient`", f"status body {_RETRY_AFTER}"
        ),
        FaultName.GRAPH_ERROR: _kind(
            _META_FIRST,
            "any Graph error, with the status that Meta gives it",
            f"status code subcode is_transient message body regain_access_minutes {_RETRY_AFTER}",
        ),
        FaultName.HTTP_STATUS: _kind(
            _FILE_FIRST, "any status from 400 on, empty unless told", f"status body {_RETRY_AFTER}"
        ),
        FaultName.EMPTY: _kind(_META_FIRST, "200 with nothing", "status"),
        FaultName.HTML: _kind(_FILE_FIRST, "200 with a login page", "status"),
        FaultName.NOT_JSON: _kind(_META_FIRST, "200 with text that claims to be JSON, or JSON cut off", "status body"),
        FaultName.JSON: _kind(_FILE, "200 with JSON in place of the file", "status"),
        FaultName.REDIRECT: _kind(_FILE_FIRST, "a redirect to where `target` or `url` says", f"status hops {_LEADS}"),
        FaultName.WRONG_TYPES: _kind(_META, "JSON of another form than expected", "shape"),
        FaultName.WRONG_URL: _kind(_META, "the link leads to where `target` or `url` says", _LEADS),
        FaultName.WRONG_SIZE: _kind(_META, "`file_size` is one too much, or `sizeBytes`", "size_bytes"),
        FaultName.TEXT_SIZE: _kind(_META, "`file_size` is a string"),
        FaultName.NO_SIZE: _kind(_META, "`file_size` is missing"),
        FaultName.WRONG_DIGEST: _kind(_META, "`sha256` is another file's"),
        FaultName.BASE64_DIGEST: _kind(_META, "`sha256` is right, but base64"),
        FaultName.JUNK_DIGEST: _kind(_META, "`sha256` is no digest at all"),
        FaultName.NO_DIGEST: _kind(_META, "`sha256` is missing"),
        FaultName.WRONG_MIME: _kind(_META, "`mime_type` is `application/octet-stream`"),
        FaultName.CORRUPT: _kind(_FILE, "the right size, wrong bytes"),
        FaultName.TRUNCATED: _kind(_FILE, "a complete answer with half of the file"),
        FaultName.OVERSIZED: _kind(_FILE, "a complete answer with `sizeBytes` more than metadata says", "size_bytes"),
        FaultName.SLOW: _kind(_FILE_FIRST, "the right answer, its headers `delaySeconds` late", "delay_seconds"),
        FaultName.SLOW_BODY: _kind(_FILE_FIRST, "the body comes at `bytesPerSecond`", "bytes_per_second"),
        FaultName.STALL: _kind(
            _FILE_FIRST, "the body pauses for `delaySeconds`, after half or `afterBytes`", "delay_seconds after_bytes"
        ),
        FaultName.RESET: _kind(
            _FILE_FIRST,
            "the connection is reset: metadata before the answer, download after half; or after `afterBytes`",
            "after_bytes",
        ),
        FaultName.GZIP: _kind(_FILE_FIRST, "the right body, packed with gzip whether accepted or not"),
        FaultName.GZIP_BOMB: _kind(_FILE_FIRST, "a small gzip body that unpacks to `sizeBytes`", "size_bytes"),
        FaultName.LENGTH_TOO_LARGE: _kind(
            _FILE_FIRST, "`Content-Length` promises `sizeBytes` more, then the connection closes", "size_bytes"
        ),
        FaultName.LENGTH_TOO_SMALL: _kind(
            _FILE_FIRST, "`Content-Length` promises `sizeBytes` less than what comes", "size_bytes"
        ),
        FaultName.NO_LENGTH: _kind(_FILE_FIRST, "the right body in chunks, without `Content-Length`"),
        FaultName.ENDLESS: _kind(_FILE_FIRST, "the body never ends"),
    }
)
