"""Any pixel format to 8-bit sRGB, with alpha where there is some."""

from io import BytesIO

from PIL import Image, ImageCms

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_OPAQUE = (255, 255)
_RESIZABLE = frozenset({"L", "RGB", "RGBA", "CMYK"})


def resizable(image: Image.Image) -> Image.Image:
    """The same picture in a mode that can be scaled smoothly: L, RGB, RGBA or CMYK.

    Scaling a palette mixes indexes, not colours, and Pillow turns 16-bit grey to 8 bits by cutting off what is above
    255, which leaves a white page.
    """
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in _RESIZABLE:
        return image
    if image.mode.startswith("I"):
        return image.point(lambda value: value * (1 / 257) + 0).convert("L")
    return image.convert("L" if image.mode == "1" else "RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or RGBA in sRGB, and without any metadata. Do it after scaling: it then costs a tenth.

    A profile that is broken or belongs to another kind of pixels is ignored, as browsers do.
    """
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if image.mode == "RGBA" else image
    colours = _converted(colours, profile) if profile else colours.convert("RGB")
    if alpha is not None and alpha.getextrema() != _OPAQUE:
        colours.putalpha(alpha)
    colours.info = {}  # the encoder would copy EXIF, XMP and the profile from here
    return colours


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB")
    if converted is None:  # only when converting in place, which the signature cannot tell
        return image.convert("RGB")
    return converted
