"""Opening what a stranger sent: one decoder per sniffed type, a pixel limit, and one kind of error."""

import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Imported here so that a worker is forked with its decoders loaded, and Pillow never looks for others.
import pillow_heif
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,  # what many phones call JPEG: a photo with a second one behind it
    PngImagePlugin,
    TiffImagePlugin,
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
    "image/avif": AvifImagePlugin.AvifImageFile.format,
    "image/heic": pillow_heif.HeifImageFile.format,
    "image/heif": pillow_heif.HeifImageFile.format,
    "image/tiff": TiffImagePlugin.TiffImageFile.format,
}
MPO = MpoImagePlugin.MpoImageFile.format

# The picture itself and nothing beside it: an embedded thumbnail may show something else.
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a worker may not start threads

# What scanners, fax machines and picture editors write. libtiff knows more, of which each is one more way in.
_TIFF_COMPRESSIONS = frozenset(
    {"raw", "tiff_ccitt", "group3", "group4", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "tiff_deflate"}
    | {"tiff_raw_16", "packbits"}
)

# What Pillow's readers are known to raise on bytes that lie. A TypeError or AttributeError would be a defect.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,  # Pillow asserts what a broken palette does not hold
    EOFError,
    struct.error,
    zlib.error,
)
_DAMAGE_OF_A_LIBRARY = (*_DAMAGE, RuntimeError)  # what libheif and libavif have no class of their own for
_BY_A_LIBRARY = frozenset({FORMATS["image/heif"], FORMATS["image/avif"]})
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_OUT_OF_MEMORY = re.compile(r"out of memory|memory allocation|bad_alloc", re.IGNORECASE)

_NAMES = {"image/webp": "WebP"}
_NOT_ONE = "This file begins like a picture ({}), but it is not one that can be read, so it has no preview."
_DAMAGED = "This {} picture is damaged or cut off, so it has no preview."
_TOO_LARGE = "This {} picture has {}, more than the {} that a preview is made of."
_COMPRESSED = "This TIFF picture is compressed in a way that is not supported, so it has no preview."
_ORIGINAL = " The original can be downloaded."


@contextmanager
def opened(source: Path, mime_type: str, limits: Limits) -> Iterator[Image.Image]:
    """The picture, header read and pixels not yet. Decode inside the block: there every complaint of a decoder is
    `PreviewUnreadable` with a message for people, and running out of memory is `MemoryError`."""
    name = FORMATS[mime_type]
    with _translated(name, _NAMES.get(mime_type, mime_type.partition("/")[2].upper()), limits), _quiet():
        Image.MAX_IMAGE_PIXELS = limits.pixels
        with Image.open(source, formats=[name]) as image:
            if name == FORMATS["image/tiff"] and image.info.get("compression") not in _TIFF_COMPRESSIONS:
                raise PreviewUnreadable(_COMPRESSED + _ORIGINAL, detail=str(image.info.get("compression")))
            yield image


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders grumble about details that do not matter to a preview
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _translated(decoder: str, name: str, limits: Limits) -> Iterator[None]:
    damage = _DAMAGE_OF_A_LIBRARY if decoder in _BY_A_LIBRARY else _DAMAGE
    try:
        yield
    except _BOMB as error:
        raise PreviewUnreadable(_too_large(name, str(error), limits) + _ORIGINAL, detail=str(error)) from error
    except UnidentifiedImageError as error:
        raise PreviewUnreadable(_NOT_ONE.format(name) + _ORIGINAL) from error
    except damage as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # our disk, not their picture
        if _OUT_OF_MEMORY.search(str(error)):
            raise MemoryError from error
        raise PreviewUnreadable(_DAMAGED.format(name) + _ORIGINAL, detail=str(error) or type(error).__name__) from error


def _too_large(name: str, complaint: str, limits: Limits) -> str:
    size = re.search(r"\((\d+) pixels\)", complaint)
    pixels = _megapixels(int(size[1])) if size else "too many pixels"
    return _TOO_LARGE.format(name, pixels, _megapixels(limits.pixels))


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1_000_000:,.1f}".removesuffix(".0") + " megapixels"
