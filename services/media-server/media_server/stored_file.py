"""Sending a stored file by `sendfile`, with what the request's conditions came to already decided."""

from pathlib import Path

from aiohttp import ETag, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import LooseHeaders
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from shared.storage.port import ByteRange

# aiohttp would judge them by the file's time stamp, which says nothing: the content's name is its digest.
# Accept-Encoding makes it look for compressed files beside this one.
_DECIDED = (
    "Accept-Encoding",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Range",
)


class StoredFile(web.FileResponse):
    """The file, or `span` of it, under the entity tag that is given."""

    def __init__(self, path: Path, *, entity_tag: str, span: ByteRange | None, headers: LooseHeaders) -> None:
        super().__init__(path, status=200 if span is None else 206, headers=headers)
        self._entity_tag = entity_tag
        self._span = span

    @property
    def etag(self) -> ETag | None:
        """The tag that was given, whatever aiohttp derives from the time stamp."""
        return ETag(value=self._entity_tag)

    @etag.setter
    def etag(self, value: ETag | str | None) -> None:
        self.headers["ETag"] = f'"{self._entity_tag}"'

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """See aiohttp."""
        headers = CIMultiDict(request.headers)
        for name in _DECIDED:
            headers.popall(name, None)
        if self._span is not None:
            headers["Range"] = f"bytes={self._span.start}-{self._span.start + self._span.length - 1}"
        return await super().prepare(request.clone(headers=headers))
