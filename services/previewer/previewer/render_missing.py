"""What a file lacks is made, stored, and remembered with its digest: the next document with these bytes has it all."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from previewer.failures import DISK_ERRORS, KeptWaiting, MachineBusy
from previewer.metrics import PREVIEW_SECONDS
from previewer.render.job import Job, RenderedFile
from previewer.sandbox import Sandbox
from shared.errors import PipelineError, PreviewCrashed, PreviewTimeout, StorageUnavailable
from shared.keys import rendition_key
from shared.media import MediaKind, Original
from shared.outdated import is_given_up, is_outdated, is_uncharted, recipes
from shared.plan import FACTS_RECIPE, plan, renderer_of
from shared.repository.blobs import Blob, BlobRendition, BlobRepository
from shared.single_flight import SingleFlight
from shared.sniff import sniff
from shared.storage.os_errors import storage_error
from shared.storage.port import ByteRange, ObjectStore
from shared.storage.staging import HEAD_BYTES
from shared.tracing import span


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
            if not is_outdated(blob):
                return blob
            if is_given_up(blob):
                msg = "Making a preview of this file has failed too often, so it is not tried again by itself."
                raise PreviewCrashed(f"{msg} The original can be downloaded.", detail=f"{blob.crashes} crashes")
            async with _timed(kind):
                return await self._rendered(await self._sniffed_anew(blob))

    async def _blob(self, original: Original) -> Blob:
        known = await self._blobs.use(original.sha256)
        if known is not None:
            return known
        # the row was lost; what it says follows from the bytes
        mime_type = await self._sniffed(original.key)
        return await self._blobs.reserve(
            original.sha256, key=original.key, size_bytes=original.size_bytes, mime_type=mime_type
        )

    async def _sniffed_anew(self, blob: Blob) -> Blob:
        """Files that came before an upgrade may be of a type that could not be told then."""
        if not is_uncharted(blob):
            return blob
        return blob.model_copy(update={"mime_type": await self._sniffed(blob.key)})

    async def _sniffed(self, key: str) -> str:
        start = ByteRange(start=0, length=HEAD_BYTES)
        return sniff(b"".join([chunk async for chunk in self._store.open(key, start)])).mime_type

    async def _rendered(self, blob: Blob) -> Blob:
        async with self._store.as_file(blob.key) as source, self._store.workspace() as workspace:
            job = Job(
                source=source,
                out_dir=workspace,
                mime_type=blob.mime_type,
                size_bytes=blob.size_bytes,
                existing=recipes(blob),
            )
            try:
                with span("render previews", attributes={"attache.mime_type": blob.mime_type}):
                    rendered = await self._sandbox.render(job)
            except KeptWaiting as error:
                raise MachineBusy from error
            except (PreviewCrashed, PreviewTimeout):  # its process had to be killed, or killed itself
                await self._blobs.crashed(blob.id)
                raise
            except OSError as error:  # of the disk, not of the picture
                if error.errno not in DISK_ERRORS:
                    raise
                raise storage_error(error) from error
            keys = {file.name: _key(file, blob.id) for file in rendered.files}
            await self._blobs.rendering(blob, keys=keys.values())
            with span("store previews", attributes={"attache.files": len(rendered.files)}):
                made = {file.name: await self._kept(file, keys[file.name]) for file in rendered.files}
        recipe = FACTS_RECIPE[renderer_of(blob.mime_type)]
        planned = {spec.name for spec in plan(blob.mime_type, blob.size_bytes, rendered.facts)}
        kept = await self._blobs.rendered(
            blob,
            facts=rendered.facts,
            facts_recipe=recipe,
            renditions=made,
            dropped=blob.renditions.keys() - planned,
        )
        if not kept:
            await self._blobs.leave(blob, keys=keys.values())
            msg = "the file was removed while its preview was made; if another message has it too, it is stored anew"
            raise StorageUnavailable(msg)
        renditions = {name: each for name, each in (blob.renditions | made).items() if name in planned}
        told = {"facts": rendered.facts, "facts_recipe": recipe, "renditions": renditions}
        return blob.model_copy(update=told)

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
