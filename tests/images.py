"""Small image files made in code: real ones as phones and stickers send them, and hostile ones. Deterministic."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO

from PIL import ExifTags, Image, ImageCms, ImageDraw

Colour = tuple[int, int, int]
RED, GREEN, BLUE, WHITE = (220, 30, 40), (30, 180, 60), (40, 60, 210), (255, 255, 255)


def picture(width: int, height: int) -> Image.Image:
    """RGB: red at the top left, green at the top right, blue at the bottom left, white at the bottom right, blended.

    So a test can tell from one pixel of a corner whether a picture was turned or mirrored.
    """
    corners = Image.new("RGB", (2, 2))
    for at, colour in (((0, 0), RED), ((1, 0), GREEN), ((0, 1), BLUE), ((1, 1), WHITE)):
        corners.putpixel(at, colour)
    return corners.resize((width, height), Image.Resampling.BILINEAR)


# ---- real files -----------------------------------------------------------------------------------------------------


def jpeg(
    width: int,
    height: int,
    *,
    orientation: int | None = None,
    metadata: bool = False,
    profile: bytes | None = None,
    progressive: bool = False,
    quality: int = 85,
) -> bytes:
    """A photo. `orientation` is EXIF's; `metadata` adds what must not leak: a camera, a place, a comment."""
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    extra: dict[str, object] = {}
    if metadata:
        exif[ExifTags.Base.Make] = "SecretCamera"
        exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 30.0, 59.0)
        extra = {"comment": b"SecretComment", "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SecretXmp</x:xmpmeta>"}
    if profile is not None:
        extra["icc_profile"] = profile
    image = picture(width, height)
    return _saved(image, "JPEG", exif=exif, progressive=progressive, quality=quality, **extra)


def cmyk_jpeg(width: int, height: int, *, profile: bytes | None = None) -> bytes:
    """As print shops send it: four inks, plain red."""
    image = Image.new("CMYK", (width, height), (0, 255, 255, 0))
    return _saved(image, "JPEG", **({} if profile is None else {"icc_profile": profile}))


def grey_jpeg(width: int, height: int) -> bytes:
    """One channel."""
    return _saved(picture(width, height).convert("L"), "JPEG")


def png(width: int, height: int) -> bytes:
    """Opaque."""
    return _saved(picture(width, height), "PNG")


def plain_png(width: int, height: int, colour: Colour = RED) -> bytes:
    """One colour."""
    return _saved(Image.new("RGB", (width, height), colour), "PNG")


def png_with_alpha(width: int, height: int) -> bytes:
    """Red in the left half, fully transparent in the right half."""
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, width // 2, height))
    return _saved(image, "PNG")


def png_16_bit_grey(width: int, height: int, value: int = 0x8000) -> bytes:
    """16 bits of grey, as scanners send it."""
    return _saved(Image.new("I;16", (width, height), value), "PNG")


def png_1_bit(width: int, height: int) -> bytes:
    """Black and white, as fax and QR codes come: white."""
    return _saved(Image.new("1", (width, height), 1), "PNG")


def png_palette_with_transparency(width: int, height: int) -> bytes:
    """Indexed: red in the left half, index 1 (transparent) in the right half."""
    return _saved(_indexed(width, height), "PNG", transparency=1)


def png_grey_with_alpha(width: int, height: int) -> bytes:
    """LA, half transparent everywhere."""
    return _saved(Image.new("LA", (width, height), (200, 128)), "PNG")


def gif(width: int, height: int, *, transparent: bool = False) -> bytes:
    """Indexed, one frame: red in the left half; the right half is blue, or transparent."""
    return _saved(_indexed(width, height), "GIF", **({"transparency": 1} if transparent else {}))


def bmp(width: int, height: int) -> bytes:
    """Uncompressed, as screenshots of old come."""
    return _saved(picture(width, height), "BMP")


def webp(width: int, height: int) -> bytes:
    """A photo as WebP."""
    return _saved(picture(width, height), "WEBP", quality=80)


def animated_webp(
    width: int = 512, height: int = 512, *, durations_ms: Sequence[int] = (80, 120, 200), loop: int = 0
) -> bytes:
    """An animated sticker: a red disc walks over a transparent ground."""
    return _animated(width, height, "WEBP", durations_ms, loop=loop)


def animated_gif(
    width: int = 320, height: int = 240, *, durations_ms: Sequence[int] = (100, 200, 300), loop: int | None = 0
) -> bytes:
    """The same with a square, as GIF. `loop` as GIF means it: repetitions, 0 for ever, None not at all."""
    return _animated(width, height, "GIF", durations_ms, disposal=2, **({} if loop is None else {"loop": loop}))


def srgb_profile() -> bytes:
    """An ICC profile that changes nothing."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """An ICC profile in which the file's red means green, so that honouring it shows."""
    profile = srgb_profile()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    assert swapped != profile
    return swapped


# ---- hostile files --------------------------------------------------------------------------------------------------


def truncated_jpeg() -> bytes:
    """Cut in the middle of its pixels."""
    whole = jpeg(640, 480, quality=95)
    return whole[: len(whole) // 2]


def png_bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A few hundred bytes that say they are a huge picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def gif_with_many_frames(frames: int) -> bytes:
    """16 x 16, and each frame only a few dozen bytes that ask to be shown for no time at all."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + bytes(RED) + bytes(BLUE)
    frame = b"\x21\xf9\x04\x00\x00\x00\x00\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    data = b"\x02\x02\x44\x01\x00"  # one pixel, index 0
    other = b"\x02\x02\x4c\x01\x00"  # one pixel, index 1
    return screen + b"".join(frame + (data if n % 2 else other) for n in range(frames)) + b"\x3b"


def gif_with_a_huge_frame() -> bytes:
    """A small screen with one frame of 60 000 x 60 000 in it."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + bytes(RED) + bytes(BLUE)
    return screen + b"\x2c" + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x44\x01\x00\x3b"


def webp_bomb() -> bytes:
    """A header that says 16 384 x 16 384."""
    edge = (16_383).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x00\x00\x00\x00" + edge + edge
    return b"RIFF" + struct.pack("<I", len(body)) + body


def svg() -> bytes:
    """A picture that is a program."""
    return b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def html() -> bytes:
    """A page."""
    return b"<!doctype html><script>alert(1)</script>"


def polyglot() -> bytes:
    """A valid JPEG with a page in its comment and an archive's signature behind it."""
    whole = _saved(picture(64, 64), "JPEG", comment=html())
    return whole + b"PK\x05\x06" + bytes(18)


# ---- how ------------------------------------------------------------------------------------------------------------


def _saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def _indexed(width: int, height: int) -> Image.Image:
    image = Image.new("P", (width, height), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (width // 2, 0, width, height))
    return image


def _animated(width: int, height: int, image_format: str, durations_ms: Sequence[int], **options: object) -> bytes:
    edge = max(1, min(width, height) // 3)
    frames = []
    for index in range(len(durations_ms)):
        frame = Image.new("RGBA", (width, height), (0, 0, 0, 0))
        left = (width - edge) * index // max(1, len(durations_ms) - 1)
        shape = ImageDraw.Draw(frame)
        (shape.ellipse if image_format == "WEBP" else shape.rectangle)((left, 0, left + edge, edge), fill=(*RED, 255))
        frames.append(frame)
    return _saved(
        frames[0], image_format, save_all=True, append_images=frames[1:], duration=list(durations_ms), **options
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
