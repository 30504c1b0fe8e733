"""Any pixel format to 8-bit sRGB, with alpha where there is some."""

import math
from io import BytesIO
from typing import cast

from PIL import Image, ImageCms

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
_OPAQUE = (255, 255)
_RESIZABLE = frozenset({"L", "RGB", "RGBA", "CMYK"})
_8_BITS, _16_BITS = 255, 65_535


def resizable(image: Image.Image) -> Image.Image:
    """The same picture in a mode that can be scaled smoothly: L, RGB, RGBA or CMYK.

    Scaling a palette mixes indexes, not colours, and Pillow turns grey of 16 or 32 bits to 8 bits by cutting off what
    is above 255, which leaves a white page.
    """
    if image.mode.startswith(("I", "F")):
        return _grey(image)
    if image.has_transparency_data:
        with_alpha = image if image.mode == "RGBA" else image.convert("RGBA")
        # scaling four channels takes twice the time of three
        return with_alpha.convert("RGB") if with_alpha.getchannel("A").getextrema() == _OPAQUE else with_alpha
    if image.mode in _RESIZABLE:
        return image
    if image.mode == "LAB":
        return _converted(image, _LAB)
    return image.convert("L" if image.mode == "1" else "RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or RGBA in sRGB, and without any metadata. Do it after scaling: it then costs a tenth.

    A profile that is broken or belongs to another kind of pixels is ignored, as browsers do.
    """
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if image.mode == "RGBA" else image
    colours = _by_profile(colours, profile) if profile else colours.convert("RGB")
    if alpha is not None and alpha.getextrema() != _OPAQUE:
        colours.putalpha(alpha)
    colours.info = {}  # the encoder would copy EXIF, XMP and the profile from here
    return colours


def _grey(image: Image.Image) -> Image.Image:
    """16 bits as they are meant; whole and real numbers of any range from black for the least to white for the most,
    unless they are 0 to 1 or fit into 8 or 16 bits."""
    values = image if image.mode in {"I", "F"} else image.convert("I")
    low, high = cast(tuple[float, float], values.getextrema())
    if image.mode not in {"I", "F"}:
        low, high = 0.0, float(_16_BITS)
    elif not math.isfinite(high - low):
        msg = "values that are no numbers"
        raise ValueError(msg)
    elif low >= 0:
        natural = (1.0,) if image.mode == "F" else ()
        low, high = 0.0, next((top for top in (*natural, _8_BITS, _16_BITS) if high <= top), high)
    scale = _8_BITS / (high - low) if high > low else 0.0
    return values.point(lambda value: value * scale + -low * scale).convert("L")


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        return _converted(image, ImageCms.ImageCmsProfile(BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB")


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    if converted is None:  # only when converting in place, which the signature cannot tell
        return image.convert("RGB")
    return converted
