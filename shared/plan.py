"""Which renditions a file should have, and which of them it still lacks. One table; no I/O.

A new rendition is a row in `PLAN` and a function in `previewer.render`; a new type of file is a row in `RENDERERS`.
Here and not in the previewer because the command line asks the same: which files does a new recipe concern?
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.media import Facts


@dataclass(frozen=True, kw_only=True)
class RenditionSpec:
    """One rendition: its name, the version of the recipe that makes it, and for a picture its box.

    Raise `recipe` whenever the same original should give another file than before: the new number is a new
    file name and a new object key, so nothing that a browser has cached is ever replaced.
    """

    name: str
    recipe: int
    max_edge: int | None = None  # pixels; a smaller original is never enlarged; None: no picture
    animated: bool = False  # an animation keeps moving; otherwise one frame stands for it

    def file_name(self, extension: str) -> str:
        """`thumb-1.webp`"""
        return f"{self.name}-{self.recipe}.{extension}"


class Renderer(StrEnum):
    """What can turn bytes into facts and renditions; the worker maps each to its function."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    PDF = "pdf"
    CARD = "card"  # no picture: what people call the file


# By the type sniffed from the bytes, never by the declared one. Whatever is not listed is a card.
RENDERERS: Mapping[str, Renderer] = {
    "image/jpeg": Renderer.IMAGE,
    "image/png": Renderer.IMAGE,
    "image/webp": Renderer.IMAGE,
    "image/gif": Renderer.IMAGE,
    "image/bmp": Renderer.IMAGE,
    "image/avif": Renderer.IMAGE,
    "image/heic": Renderer.IMAGE,
    "image/heif": Renderer.IMAGE,
    "image/tiff": Renderer.IMAGE,
    "video/mp4": Renderer.VIDEO,
    "video/3gpp": Renderer.VIDEO,
    "video/quicktime": Renderer.VIDEO,
    "video/webm": Renderer.VIDEO,
    "video/x-matroska": Renderer.VIDEO,
    "audio/aac": Renderer.AUDIO,
    "audio/amr": Renderer.AUDIO,
    "audio/flac": Renderer.AUDIO,
    "audio/mp4": Renderer.AUDIO,
    "audio/mpeg": Renderer.AUDIO,
    "audio/ogg": Renderer.AUDIO,
    "audio/wav": Renderer.AUDIO,
    "application/pdf": Renderer.PDF,
}

# Raised when the same bytes should give other facts than before. What nobody knew is a card: when `sniff` learns a
# type, or one moves in `RENDERERS`, raise that of its renderer until now, so that a rebuild looks into them again.
FACTS_RECIPE: Mapping[Renderer, int] = {
    Renderer.IMAGE: 1,
    Renderer.VIDEO: 1,
    Renderer.AUDIO: 1,
    Renderer.PDF: 1,
    Renderer.CARD: 1,
}

THUMB = RenditionSpec(name="thumb", recipe=1, max_edge=320, animated=True)
PREVIEW = RenditionSpec(name="preview", recipe=1, max_edge=1280)
STILL = RenditionSpec(name="poster", recipe=1, max_edge=320)
POSTER = RenditionSpec(name="poster", recipe=1, max_edge=1280)
WAVEFORM = RenditionSpec(name="waveform", recipe=1)
PLAYABLE = RenditionSpec(name="playable", recipe=1)
PLAYABLE_SECONDS = 600.0  # what lasts longer would not be encoded within the time limit on a slow machine


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: files of this renderer have this rendition when `if_` says so of size and facts."""

    renderer: Renderer
    spec: RenditionSpec
    if_: Callable[[int, Facts], bool] = lambda size_bytes, facts: True


def _can_be_made_playable(facts: Facts) -> bool:
    seconds = facts.duration_seconds
    return facts.playable is False and seconds is not None and seconds <= PLAYABLE_SECONDS


PLAN: tuple[Row, ...] = (
    Row(renderer=Renderer.IMAGE, spec=THUMB),
    Row(renderer=Renderer.IMAGE, spec=PREVIEW),
    # for people who asked their device for less motion
    Row(renderer=Renderer.IMAGE, spec=STILL, if_=lambda _, facts: facts.animated is True),
    Row(renderer=Renderer.VIDEO, spec=POSTER, if_=lambda _, facts: facts.width is not None),
    Row(renderer=Renderer.VIDEO, spec=THUMB),
    # a film without pictures is a sound
    Row(renderer=Renderer.VIDEO, spec=WAVEFORM, if_=lambda _, facts: facts.width is None),
    Row(
        renderer=Renderer.VIDEO,
        spec=PLAYABLE,
        if_=lambda _, facts: facts.width is None and _can_be_made_playable(facts),
    ),
    Row(renderer=Renderer.AUDIO, spec=WAVEFORM),
    Row(renderer=Renderer.AUDIO, spec=THUMB),
    Row(renderer=Renderer.AUDIO, spec=PLAYABLE, if_=lambda _, facts: _can_be_made_playable(facts)),
    # without the password nobody can count the pages
    Row(renderer=Renderer.PDF, spec=PREVIEW, if_=lambda _, facts: bool(facts.pages)),
    Row(renderer=Renderer.PDF, spec=THUMB, if_=lambda _, facts: bool(facts.pages)),
)


def renderer_of(mime_type: str) -> Renderer:
    """Who renders files of this sniffed type."""
    return RENDERERS.get(mime_type, Renderer.CARD)


def plan(mime_type: str, size_bytes: int, facts: Facts) -> tuple[RenditionSpec, ...]:
    """The renditions that a file of this sniffed type, of which decoding told `facts`, should have."""
    renderer = renderer_of(mime_type)
    return tuple(row.spec for row in PLAN if row.renderer is renderer and row.if_(size_bytes, facts))


def missing(mime_type: str, size_bytes: int, facts: Facts, existing: Mapping[str, int]) -> tuple[RenditionSpec, ...]:
    """Those of them that are still to be made; empty means that there is nothing to render.

    `existing` maps the name of each rendition that is already stored to the recipe version it was made with.
    """
    return tuple(spec for spec in plan(mime_type, size_bytes, facts) if existing.get(spec.name) != spec.recipe)
