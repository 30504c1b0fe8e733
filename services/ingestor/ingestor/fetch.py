"""From a media id to a verified original in the store: link what is known, else download, verify, store."""

import time
from pathlib import Path

from opentelemetry.trace import SpanKind
from pydantic import SecretStr
from yarl import URL

from ingestor.admission import Admission
from ingestor.download import Downloader, LinkRefused
from ingestor.metrics import INGEST_BYTES, INGEST_SECONDS
from shared.errors import (
    CredentialError,
    ErrorCode,
    ObjectNotFound,
    ObjectTooLarge,
    PermanentError,
    PipelineError,
    TransientError,
)
from shared.graph.client import Graph, MediaLocation, asked_of
from shared.keys import Folder, original_key
from shared.media import Attachment, Original
from shared.repository.blobs import BlobRepository
from shared.repository.instances import Credentials, InstanceRepository
from shared.sniff import shown_type, sniff
from shared.storage.port import ObjectStore
from shared.storage.staging import StagedFile, stage
from shared.tracing import annotate, span

_FEW_RETRIES = 3


class TooLarge(Exception):
    """Larger than `MEDIA_MAX_ORIGINAL_BYTES`. `size_bytes` is what Meta told, when it did."""

    def __init__(self, *, size_bytes: int | None) -> None:
        super().__init__(f"{size_bytes} bytes" if size_bytes is not None else "more bytes than the limit")
        self.size_bytes = size_bytes


class Fetcher:
    """Puts originals into the store, each content once."""

    def __init__(
        self,
        *,
        graph: Graph,
        admission: Admission,
        downloader: Downloader,
        instances: InstanceRepository,
        blobs: BlobRepository,
        store: ObjectStore,
        max_bytes: int,
    ) -> None:
        self._graph = graph
        self._admission = admission
        self._downloader = downloader
        self._instances = instances
        self._blobs = blobs
        self._store = store
        self._max_bytes = max_bytes

    async def linked(self, attachment: Attachment) -> Original | None:
        """The original when the announced bytes are in the store already; no call to Meta is made."""
        sha256 = attachment.media.declared.sha256
        blob = await self._blobs.use(sha256) if sha256 else None
        if blob is None:
            return None
        try:
            if await self._store.size(blob.key) != blob.size_bytes:
                return None
        except ObjectNotFound:  # announced to be written by an attempt that was cut off
            return None
        return Original(
            key=blob.key,
            mime_type=shown_type(blob.mime_type, attachment.media.declared.mime_type),
            size_bytes=blob.size_bytes,
            sha256=blob.id,
        )

    async def downloaded(self, attachment: Attachment) -> Original:
        """The original, fetched from Meta. Raises `TooLarge` or an error of the pipeline."""
        credentials = await self._instances.credentials(attachment.phone_number_id)
        try:
            return await self._with(credentials, attachment)
        except CredentialError:
            newer = await self._instances.credentials(attachment.phone_number_id)
            if newer.version == credentials.version:
                raise
        # a token saved while the old one was being refused: use it at once
        return await self._with(newer, attachment)

    async def _with(self, credentials: Credentials, attachment: Attachment) -> Original:
        try:
            try:
                return await self._attempt(credentials, attachment)
            except LinkRefused:  # dead before it was used; a fresh one tells whether it was the link or the media
                try:
                    return await self._attempt(credentials, attachment)
                except LinkRefused as again:
                    raise again.error from again
        except PipelineError as error:
            error.instance_version = credentials.version
            raise

    async def _attempt(self, credentials: Credentials, attachment: Attachment) -> Original:
        number, media_id = attachment.phone_number_id, attachment.media.provider_media_id
        if media_id is None:
            msg = "Meta gave no media id, so there is nothing to download; ask the customer to send it again"
            raise PermanentError(msg, code=ErrorCode.PROVIDER_REJECTED)
        async with self._admission.asking(number, credentials, attachment_id=attachment.id):
            location = await self._graph.locate(media_id, phone_number_id=number, access_token=credentials.access_token)
        if location.size_bytes is not None and location.size_bytes > self._max_bytes:
            raise TooLarge(size_bytes=location.size_bytes)
        started = time.perf_counter()
        async with self._store.workspace() as workspace:
            try:
                staged = await self._staged(location, credentials.access_token, workspace)
            except TransientError as error:
                if error.code is ErrorCode.PROVIDER_RATE_LIMITED:
                    self._admission.slow_down(number, error)
                raise
            _verify(staged, location, attachment)
            original = await self._kept(staged, attachment)
        INGEST_SECONDS.observe(time.perf_counter() - started)
        INGEST_BYTES.inc(staged.size_bytes)
        return original

    async def _staged(self, location: MediaLocation, access_token: SecretStr, workspace: Path) -> StagedFile:
        """Reading stops at the announced size, or at our limit where none was announced: a body may be endless."""
        announced = location.size_bytes
        with span("GET original", kind=SpanKind.CLIENT, attributes=asked_of(location.url)):
            return await self._streamed(location.url, access_token, workspace, announced)

    async def _streamed(self, url: URL, access_token: SecretStr, workspace: Path, announced: int | None) -> StagedFile:
        async with self._downloader.open(url, access_token=access_token) as body:
            try:
                staged = await stage(
                    body.chunks, workspace / "original", limit=self._max_bytes if announced is None else announced
                )
                annotate({"http.response.body.size": staged.size_bytes})
                return staged
            except ObjectTooLarge:
                if announced is not None:
                    msg = f"Meta announced {announced} bytes and sent more"
                    raise TransientError(msg, code=ErrorCode.MEDIA_CORRUPT, max_retries=_FEW_RETRIES) from None
                told = body.announced_bytes or 0
                raise TooLarge(size_bytes=told if told > self._max_bytes else None) from None

    async def _kept(self, staged: StagedFile, attachment: Attachment) -> Original:
        sniffed = sniff(staged.head)
        blob = await self._blobs.reserve(
            staged.sha256,
            key=original_key(Folder.INCOMING, sha256=staged.sha256, extension=sniffed.extension),
            size_bytes=staged.size_bytes,
            mime_type=sniffed.mime_type,
        )
        with span("store original", attributes={"attache.size_bytes": staged.size_bytes}):
            await self._store.put(staged.path, blob.key)
        return Original(
            key=blob.key,
            mime_type=shown_type(sniffed.mime_type, attachment.media.declared.mime_type),
            size_bytes=staged.size_bytes,
            sha256=staged.sha256,
        )


def _verify(staged: StagedFile, location: MediaLocation, attachment: Attachment) -> None:
    """Promise 4: what is stored is what Meta announced. A junk digest in the webhook counts as absent."""
    if location.size_bytes is not None and staged.size_bytes != location.size_bytes:
        msg = f"Meta announced {location.size_bytes} bytes and sent {staged.size_bytes}"
        raise TransientError(msg, code=ErrorCode.MEDIA_CORRUPT, max_retries=_FEW_RETRIES)
    expected = attachment.media.declared.sha256 or location.sha256
    if expected is not None and staged.sha256 != expected:
        msg = f"the bytes do not have the digest that Meta announced ({staged.size_bytes} bytes came)"
        raise TransientError(msg, code=ErrorCode.MEDIA_CORRUPT, max_retries=_FEW_RETRIES)
