"""Opening what a stranger sent: one decoder per sniffed type, a pixel limit, and one kind of error."""

import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Imported here so that a worker is forked with its decoders loaded, and Pillow never looks for others.
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,  # what many phones call JPEG: a photo with a second one behind it
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from previewer.render.job import Limits
from shared.errors import PreviewUnreadable

FORMATS: Mapping[str, str] = {
    "image/jpeg": JpegImagePlugin.JpegImageFile.format,
    "image/png": PngImagePlugin.PngImageFile.format,
    "image/webp": WebPImagePlugin.WebPImageFile.format,
    "image/gif": GifImagePlugin.GifImageFile.format,
    "image/bmp": BmpImagePlugin.BmpImageFile.format,
}
MPO = MpoImagePlugin.MpoImageFile.format

# What Pillow's readers are known to raise on bytes that lie. A TypeError or AttributeError would be a defect.
_DAMAGE = (OSError, SyntaxError, ValueError, LookupError, ArithmeticError, EOFError, struct.error, zlib.error)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@contextmanager
def opened(source: Path, mime_type: str, limits: Limits) -> Iterator[Image.Image]:
    """The picture, header read and pixels not yet. Decode inside the block: there every complaint of a decoder is
    `PreviewUnreadable` with a message for people, and running out of memory is `MemoryError`."""
    name = FORMATS[mime_type]
    with _translated(name, limits), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders grumble about details that do not matter to a preview
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = limits.pixels
        with Image.open(source, formats=[name]) as image:
            yield image


@contextmanager
def _translated(name: str, limits: Limits) -> Iterator[None]:
    try:
        yield
    except _BOMB as error:
        raise PreviewUnreadable(_too_many_pixels(str(error), limits)) from error
    except UnidentifiedImageError as error:
        msg = f"the file begins like a {name} image but is not one that can be read"
        raise PreviewUnreadable(msg) from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # our disk, not their picture
        if "out of memory" in str(error):
            raise MemoryError from error
        msg = f"the {name} image is damaged or cut off ({str(error) or type(error).__name__})"
        raise PreviewUnreadable(msg) from error


def _too_many_pixels(complaint: str, limits: Limits) -> str:
    limit = f"the limit is {_megapixels(limits.pixels)}"
    if size := re.search(r"\((\d+) pixels\)", complaint):
        return f"the image has {_megapixels(int(size[1]))}, {limit}"
    return f"the image has too many pixels, {limit}"


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1_000_000:,.1f}".removesuffix(".0") + " megapixels"
