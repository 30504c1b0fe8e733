"""Which part of a file a request asks for, pure (RFC 9110, sections 13 and 14)."""

import re
from collections.abc import Sequence

from aiohttp import ETag

from shared.storage.port import ByteRange

_SINGLE = re.compile(r"\s*bytes\s*=\s*(\d{0,20})\s*-\s*(\d{0,20})\s*", re.ASCII | re.IGNORECASE)
_ANY = "*"


class NotSatisfiable(Exception):
    """The file ends before the part that is asked for."""


def requested_span(header: str | None, *, size_bytes: int) -> ByteRange | None:
    """The span of a `Range` header; None for the whole file, which answers several ranges and nonsense too."""
    match = _SINGLE.fullmatch(header or "")
    if match is None:
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last), size_bytes - 1) if last else size_bytes - 1
        if last and int(last) < start:
            return None
    elif last:
        start, end = max(0, size_bytes - int(last)), size_bytes - 1
    else:
        return None
    if start > end:
        raise NotSatisfiable
    return ByteRange(start=start, length=end - start + 1)


def names(tags: Sequence[ETag] | None, tag: str, *, weak: bool) -> bool | None:
    """Whether a list of entity tags holds ours, or any; None without a list. `weak` lets weak ones count."""
    if tags is None:
        return None
    return any(each.value in {_ANY, tag} and (weak or not each.is_weak) for each in tags)
