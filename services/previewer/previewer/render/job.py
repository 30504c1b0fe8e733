"""What a worker is given and what it gives back. Paths go in and out, never bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.media import Facts
from shared.plan import RenditionSpec, missing, plan

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one file may cost before it is given up."""

    seconds: float = 20.0  # wall time of one file, and CPU time of its process
    memory_bytes: int = 1024 * MIB  # address space on top of what an idle worker has
    pixels: int = 50_000_000  # of one picture, frame or page
    animation_pixels: int = 30_000_000  # of all frames that are decoded of an animation, together
    frames: int = 300  # an animation is cut after so many
    picture_bytes: int = 4 * MIB  # of one picture that is made
    moving_bytes: int = 1 * MIB  # of one that moves; it is made lighter, or stands still
    output_bytes: int = 64 * MIB  # of any file that is made


@dataclass(frozen=True, kw_only=True)
class Job:
    """One file: look into it, and make what it lacks into files in `out_dir`, which exists and is empty."""

    source: Path
    out_dir: Path
    mime_type: str  # as sniffed
    size_bytes: int
    existing: Mapping[str, int] = field(default_factory=dict)  # recipe versions of what there is already, by name
    limits: Limits = field(default_factory=Limits)

    def planned(self, facts: Facts) -> tuple[RenditionSpec, ...]:
        """All that such a file has, whether it is there already or not."""
        return plan(self.mime_type, self.size_bytes, facts)

    def missing(self, facts: Facts) -> tuple[RenditionSpec, ...]:
        """What is to be made of a file of which decoding tells these facts."""
        return missing(self.mime_type, self.size_bytes, facts, self.existing)


@dataclass(frozen=True, kw_only=True)
class RenderedFile:
    """One rendition, whole at `path` when this is made. Only a picture has a width and a height."""

    name: str
    recipe: int
    path: Path
    mime_type: str
    width: int | None = None
    height: int | None = None
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_bytes", self.path.stat().st_size)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What looking into the file told, and a file for each rendition that it lacked."""

    facts: Facts
    files: tuple[RenderedFile, ...] = ()
