"""What a worker is given and what it gives back. Paths go in and out, never bytes."""

from dataclasses import dataclass
from pathlib import Path

from shared.media import Facts

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one file may cost before it is given up."""

    seconds: float = 20.0  # wall time of one file, and CPU time of its process
    memory_bytes: int = 1024 * MIB  # address space on top of what an idle worker has
    pixels: int = 100_000_000  # decoded at most: of the picture, or of all frames of an animation together
    frames: int = 300  # an animation is cut after so many
    output_bytes: int = 4 * MIB  # of one rendition


@dataclass(frozen=True, kw_only=True)
class RenderedFile:
    """One rendition, written to `path`."""

    name: str
    recipe: int
    path: Path
    mime_type: str
    width: int
    height: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What decoding told, and a file for each spec asked for, in that order."""

    facts: Facts
    files: tuple[RenderedFile, ...]
