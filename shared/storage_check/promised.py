"""Documents → store: what a document promises is there, and whole as far as its size tells."""

from collections.abc import AsyncIterator

from shared.errors import ObjectNotFound
from shared.keys import parse
from shared.media import Attachment, MediaStatus, Original, Rendition
from shared.repository.messages import MessageRepository
from shared.repository.references import References, Unreadable, promises_original
from shared.storage.port import ObjectStore
from shared.storage_check.digests import digest_of
from shared.storage_check.findings import Advance, Finding, Problem


class PromisedFiles:
    """Looks at originals and renditions of all documents, one document at a time."""

    def __init__(self, *, references: References, messages: MessageRepository, store: ObjectStore) -> None:
        self._references = references
        self._messages = messages
        self._store = store

    async def check(self, advance: Advance) -> AsyncIterator[Finding]:
        """What is wrong, nearest deadline first."""
        async for found in self._references.promising():
            if isinstance(found, Unreadable):
                wrong = f"the document has a wrong {', '.join(found.fields)}"
                yield Finding(problem=Problem.DOCUMENT_UNREADABLE, key=found.id, detail=wrong)
            else:
                for finding in await self._confirmed(found):
                    yield finding
            advance()

    async def _confirmed(self, attachment: Attachment) -> list[Finding]:
        """Wrong before and after the document was read once more: no attempt, retry or erasure is what we see."""
        while findings := await self.of(attachment):
            again = await self._messages.get(attachment.id)
            if again == attachment:
                return findings
            if again is None:
                return []
            attachment = again
        return []

    async def of(self, attachment: Attachment) -> list[Finding]:
        """What is wrong with the files of this document, as it was read."""
        media = attachment.media
        if not promises_original(attachment):
            return []
        original = media.storage.original
        if original is None:
            return [Finding(problem=Problem.ORIGINAL_MISSING, key="", attachment=attachment, detail="none is named")]
        found = [await self._original(attachment, original)]
        if media.status is not MediaStatus.STORED:  # while they are being made none is promised
            for rendition in media.storage.renditions.values():
                found.append(
                    await self._finding(attachment, rendition, Problem.RENDITION_MISSING, Problem.RENDITION_DAMAGED)
                )
        return [finding for finding in found if finding is not None]

    async def _original(self, attachment: Attachment, original: Original) -> Finding | None:
        finding = await self._finding(attachment, original, Problem.ORIGINAL_MISSING, Problem.ORIGINAL_DAMAGED)
        if finding is not None and finding.problem is Problem.ORIGINAL_MISSING:
            return finding
        named, wrong = parse(original.key), None
        if named is not None and named.sha256 != original.sha256:
            wrong = "storage.original.sha256 is not the digest in its key"
        elif finding is not None and await self._is_whole(original):
            wrong = f"storage.original.sizeBytes is wrong: {finding.detail}, with the right digest"
        if wrong is None:
            return finding
        return Finding(problem=Problem.DOCUMENT_INCONSISTENT, key=original.key, attachment=attachment, detail=wrong)

    async def _is_whole(self, original: Original) -> bool:
        try:
            return await digest_of(self._store, original.key) == original.sha256
        except ObjectNotFound:
            return False

    async def _finding(
        self, attachment: Attachment, file: Original | Rendition, missing: Problem, damaged: Problem
    ) -> Finding | None:
        try:
            size = await self._store.size(file.key)
        except (ObjectNotFound, ValueError):  # the second: a key that was written by hand and leads nowhere
            return Finding(problem=missing, key=file.key, attachment=attachment)
        if size == file.size_bytes:
            return None
        detail = f"{size} bytes instead of {file.size_bytes}"
        return Finding(problem=damaged, key=file.key, attachment=attachment, detail=detail)
