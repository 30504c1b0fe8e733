"""What a check of the store may find, in words for the operator."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from shared.media import Attachment
from shared.repository.blobs import Blob

Advance = Callable[[], None]
"""Called for each thing that has been looked at."""


class Problem(StrEnum):
    """What is wrong; the text stands in the list and in the table."""

    ORIGINAL_MISSING = "original missing"
    ORIGINAL_DAMAGED = "original damaged"
    RENDITION_MISSING = "rendition missing"
    RENDITION_DAMAGED = "rendition damaged"
    ROW_WITHOUT_FILE = "row without its file"
    ROW_INCONSISTENT = "row inconsistent"
    ORPHAN = "orphan file"
    UNFINISHED = "unfinished file left"
    DOCUMENT_UNREADABLE = "document unreadable"
    DOCUMENT_INCONSISTENT = "document inconsistent"
    FOREIGN = "foreign file"


HARMLESS = frozenset({Problem.FOREIGN})
"""Told, but nothing is wrong."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    `attachment` is the document as it was when its file was looked at; none when the file is nobody's. `row` is what is
    known of the bytes, where no document tells it.
    """

    problem: Problem
    key: str
    attachment: Attachment | None = None
    row: Blob | None = None
    detail: str = ""
