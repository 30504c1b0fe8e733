"""An answer before its body has begun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aiohttp import web
from multidict import CIMultiDict

from whatsapp_simulator.content import BytesContent, Content


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """An answer whose body has not begun: `content` from `start` up to, not including, `end`."""

    status: int
    headers: CIMultiDict[str]
    content: Content
    start: int
    end: int

    @classmethod
    def of(cls, response: web.Response) -> Outgoing:
        """A small answer that is at hand as a whole."""
        body = BytesContent(response.body if isinstance(response.body, bytes) else b"")
        headers = CIMultiDict(response.headers)
        headers.pop("Content-Length", None)  # the way in which the body travels decides it
        return cls(status=response.status, headers=headers, content=body, start=0, end=body.size_bytes)

    @property
    def size_bytes(self) -> int:
        return self.end - self.start

    def chunks(self, start: int | None = None, end: int | None = None) -> Iterator[bytes]:
        """The body, or a part of it by positions within it."""
        first = self.start + (start or 0)
        last = self.end if end is None else min(self.start + end, self.end)
        return self.content.chunks(first, last)


async def begun(
    request: web.Request, outgoing: Outgoing, *, length: int | None, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Send status and headers; `length=None` announces chunks."""
    response = web.StreamResponse(status=outgoing.status, headers={**outgoing.headers, **(headers or {})})
    if length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = length
    await response.prepare(request)
    return response
