"""What a file lacks is made, stored, and remembered with its digest: the next document with these bytes has it all."""

import errno
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from previewer.metrics import PREVIEW_SECONDS
from previewer.plan import RenditionSpec, missing
from previewer.render.job import RenderedFile
from previewer.sandbox import Sandbox
from shared.errors import PipelineError, PreviewCrashed, StorageUnavailable
from shared.keys import rendition_key
from shared.media import MediaKind, Original
from shared.repository.blobs import Blob, BlobRendition, BlobRepository
from shared.single_flight import SingleFlight
from shared.sniff import sniff
from shared.storage.os_errors import storage_error
from shared.storage.port import ByteRange, ObjectStore
from shared.storage.staging import HEAD_BYTES
from shared.tracing import span

_MOST_CRASHES = 3
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})


class RenderMissing:
    """Renditions of one content, each made once."""

    def __init__(self, *, blobs: BlobRepository, store: ObjectStore, sandbox: Sandbox) -> None:
        self._blobs = blobs
        self._store = store
        self._sandbox = sandbox
        self._renderings = SingleFlight()

    async def of(self, original: Original, *, kind: MediaKind) -> Blob:
        """The blob with every rendition that its kind of file has.

        Raises `ObjectNotFound` when the original is missing from the store, `PreviewError` when the file cannot be
        shown, `TransientError` when it could be later.
        """
        async with self._renderings.of(original.sha256):
            blob = await self._blob(original)
            # another document may refer to the same bytes, but this one's must be there too
            await self._store.size(original.key)
            specs = missing(blob.mime_type, {name: made.recipe for name, made in blob.renditions.items()})
            if not specs:
                return blob
            if blob.crashes >= _MOST_CRASHES:
                msg = f"no decoder is started for this file any more: it took {blob.crashes} of them down"
                raise PreviewCrashed(msg)
            async with _timed(kind):
                return await self._rendered(blob, specs)

    async def _blob(self, original: Original) -> Blob:
        known = await self._blobs.use(original.sha256)
        if known is not None:
            return known
        # the row was lost; what it says follows from the bytes
        head = b"".join(
            [chunk async for chunk in self._store.open(original.key, ByteRange(start=0, length=HEAD_BYTES))]
        )
        return await self._blobs.reserve(
            original.sha256, key=original.key, size_bytes=original.size_bytes, mime_type=sniff(head).mime_type
        )

    async def _rendered(self, blob: Blob, specs: tuple[RenditionSpec, ...]) -> Blob:
        async with self._store.as_file(blob.key) as source, self._store.workspace() as workspace:
            try:
                with span("render previews", attributes={"attache.mime_type": blob.mime_type}):
                    rendered = await self._sandbox.render(source, workspace, specs, blob.mime_type)
            except PreviewCrashed:
                await self._blobs.crashed(blob.id)
                raise
            except OSError as error:  # of the disk, not of the picture
                if error.errno not in _DISK_ERRORS:
                    raise
                raise storage_error(error) from error
            keys = {file.name: _key(file, blob.id) for file in rendered.files}
            await self._blobs.rendering(blob, keys=keys.values())
            with span("store previews", attributes={"attache.files": len(rendered.files)}):
                made = {file.name: await self._kept(file, keys[file.name]) for file in rendered.files}
        if not await self._blobs.rendered(blob, facts=rendered.facts, renditions=made):
            await self._blobs.leave(blob, keys=keys.values())
            msg = "the file was removed while its preview was made; if another message has it too, it is stored anew"
            raise StorageUnavailable(msg)
        return blob.model_copy(update={"facts": rendered.facts, "renditions": {**blob.renditions, **made}})

    async def _kept(self, file: RenderedFile, key: str) -> BlobRendition:
        await self._store.put(file.path, key)
        return BlobRendition(
            key=key,
            mime_type=file.mime_type,
            width=file.width,
            height=file.height,
            size_bytes=file.size_bytes,
            recipe=file.recipe,
        )


def _key(file: RenderedFile, sha256: str) -> str:
    extension = file.path.suffix.removeprefix(".")
    return rendition_key(sha256=sha256, name=file.name, recipe=file.recipe, extension=extension)


@asynccontextmanager
async def _timed(kind: MediaKind) -> AsyncIterator[None]:
    started = time.perf_counter()
    outcome = "error"
    try:
        yield
        outcome = "ok"
    except PipelineError as error:
        outcome = error.code.value
        raise
    finally:
        PREVIEW_SECONDS.labels(kind.value, outcome).observe(time.perf_counter() - started)
