"""Which renditions a file should have, and which of them it still lacks. Tables; no I/O.

A new kind of file is a row in `RENDERERS`, a row in `RENDITIONS` and a module in `previewer.render`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class RenditionSpec:
    """One rendition: its name, its box, and the version of the recipe that makes it.

    Raise `recipe` whenever the same original should give a different picture than before: the new number is a new
    file name and a new object key, so nothing that a browser has cached is ever replaced.
    """

    name: str
    max_edge: int  # pixels; a smaller original is never enlarged
    recipe: int
    animated: bool = False  # an animation keeps moving; otherwise its first frame stands for it

    def file_name(self, extension: str) -> str:
        """`thumb-1.webp`"""
        return f"{self.name}-{self.recipe}.{extension}"


THUMB = RenditionSpec(name="thumb", max_edge=320, recipe=1, animated=True)
PREVIEW = RenditionSpec(name="preview", max_edge=1280, recipe=1)


class Renderer(StrEnum):
    """What can turn bytes into renditions; the worker maps each to its function."""

    IMAGE = "image"


# By the type sniffed from the bytes, never by the declared one. TIFF stays out: it is rare on WhatsApp, and its many
# codecs are the part of an image library that is broken into most often.
RENDERERS: Mapping[str, Renderer] = {
    "image/jpeg": Renderer.IMAGE,
    "image/png": Renderer.IMAGE,
    "image/webp": Renderer.IMAGE,
    "image/gif": Renderer.IMAGE,
    "image/bmp": Renderer.IMAGE,
}

# The set depends on the kind alone, never on the picture: so "what is missing" can be told without decoding anything.
RENDITIONS: Mapping[Renderer, tuple[RenditionSpec, ...]] = {
    Renderer.IMAGE: (THUMB, PREVIEW),
}


def missing(mime_type: str, existing: Mapping[str, int]) -> tuple[RenditionSpec, ...]:
    """The specs still to be made for a file of this sniffed type; empty means that there is nothing to render.

    `existing` maps the name of each rendition that is already stored to the recipe version it was made with.
    """
    renderer = RENDERERS.get(mime_type)
    if renderer is None:
        return ()
    return tuple(spec for spec in RENDITIONS[renderer] if existing.get(spec.name) != spec.recipe)
