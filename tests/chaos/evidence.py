"""What is left when everything has stopped: documents, files, letters, logs. Only facts; the ledger judges them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class File:
    """One file below the store's root, by its key."""

    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One dead letter."""

    queue: str
    media_id: str | None
    code: str | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One log line `message_media_updated`."""

    media_id: str
    revision: int
    status: str
    timestamp: str
    service: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`waiting`: messages left in work and retry queues. `surprises`: errors that services did not expect."""

    taken_at: datetime
    documents: Sequence[JSON]
    blobs: Sequence[JSON]
    files: Sequence[File]
    unfinished: Sequence[str]
    letters: Sequence[Letter]
    waiting: Mapping[str, int]
    lines: Sequence[Line]
    surprises: Counter[str] = field(default_factory=Counter)
    leaks: Counter[str] = field(default_factory=Counter)
