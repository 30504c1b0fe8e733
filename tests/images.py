"""Small image files made in code: real ones as phones and stickers send them, and hostile ones. Deterministic."""

import struct
import zlib
from collections.abc import Iterable, Sequence
from io import BytesIO

import pillow_heif
from PIL import ExifTags, Image, ImageCms, ImageDraw

pillow_heif.register_heif_opener()

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


def turned(image_format: str, width: int, height: int, orientation: int) -> bytes:
    """A photo that says in the words of its format how to turn it: EXIF, a tag, or `irot` and `imir`."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return _saved(picture(width, height), image_format, exif=exif.tobytes())


def heic(width: int, height: int, *, tile_size: int = 0, profile: bytes | None = None) -> bytes:
    """As iPhones send it: with `tile_size` in tiles of so many pixels."""
    extra: dict[str, object] = {} if profile is None else {"icc_profile": profile}
    return _saved(picture(width, height), "HEIF", quality=80, tile_size=tile_size, **extra)


def heic_10_bit(width: int, height: int) -> bytes:
    """Red."""
    pixel = struct.pack("<3H", *(part * 0x101 for part in RED))
    buffer = BytesIO()
    pillow_heif.encode("RGB;16", (width, height), pixel * (width * height), buffer, quality=90)
    return buffer.getvalue()


def heic_with_alpha(width: int, height: int) -> bytes:
    """Red in the left half, fully transparent in the right half."""
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, width // 2, height))
    return _saved(image, "HEIF", quality=90)


def heic_of_two(width: int, height: int) -> bytes:
    """Two pictures in one file, of which the second one is the one to show; the first is plain blue."""
    other = Image.new("RGB", (width, height), BLUE)
    return _saved(other, "HEIF", save_all=True, append_images=[picture(width, height)], primary_index=1)


def avif(width: int, height: int) -> bytes:
    """A photo as AVIF."""
    return _saved(picture(width, height), "AVIF", quality=80, speed=9, max_threads=1)


def with_colours(data: bytes, *, primaries: int, transfer: int) -> bytes:
    """A HEIC or AVIF that says by numbers (ITU-T H.273) in which colours it is."""
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def tiff(width: int, height: int, *, compression: str = "raw") -> bytes:
    """A photo as picture editors send it."""
    return _saved(picture(width, height), "TIFF", compression=compression)


def tiff_of(image: Image.Image, **options: object) -> bytes:
    """Any picture as TIFF."""
    return _saved(image, "TIFF", **options)


def tiff_pages(width: int, height: int) -> bytes:
    """A scan of three pages, of which the first is the photo."""
    pages = [Image.new("RGB", (width, height), colour) for colour in (BLUE, GREEN)]
    return _saved(picture(width, height), "TIFF", save_all=True, append_images=pages, compression="tiff_lzw")


def tiff_tags(tags: Iterable[tuple[int, int, Sequence[int]]], pixels: bytes, *, big_endian: bool = False) -> bytes:
    """A TIFF tag by tag: number, type (3 for 16 bits, 4 for 32) and values; where its one strip begins is added."""
    order = ">" if big_endian else "<"
    entries = sorted([*tags, (273, 4, [8])])
    at = 8 + len(pixels)
    behind = at + 2 + 12 * len(entries) + 4
    table, values = struct.pack(f"{order}H", len(entries)), b""
    for number, kind, each in entries:
        data = struct.pack(f"{order}{len(each)}{'H' if kind == 3 else 'I'}", *each)
        if len(data) > 4:
            place = struct.pack(f"{order}I", behind + len(values))
            values += data
        else:
            place = data.ljust(4, b"\0")
        table += struct.pack(f"{order}HHI", number, kind, len(each)) + place
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(f"{order}I", at)
    return head + pixels + table + bytes(4) + values


def tiff_16_bit(width: int, height: int, value: Sequence[int], *, big_endian: bool = False) -> bytes:
    """One colour in 16 bits: grey of one number, or red, green and blue."""
    bands = len(value)
    pixels = struct.pack(f"{'>' if big_endian else '<'}{bands}H", *value) * (width * height)
    tags = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [16] * bands),
        (259, 3, [1]),
        (262, 3, [2 if bands == 3 else 1]),
        (277, 3, [bands]),
        (278, 4, [height]),
        (279, 4, [len(pixels)]),
    ]
    return tiff_tags(tags, pixels, big_endian=big_endian)


def mpo(width: int, height: int) -> bytes:
    """What many phones call JPEG: the photo, and a second picture behind it."""
    return _saved(picture(width, height), "MPO", save_all=True, append_images=[Image.new("RGB", (90, 60), BLUE)])


def png_16_bit(width: int, height: int, value: tuple[int, int, int]) -> bytes:
    """One colour in 16 bits for each of red, green and blue."""
    row = b"\0" + struct.pack(">3H", *value) * width
    return _png(width, height, bits=16, interlaced=False, data=row * height)


def png_interlaced(width: int, height: int) -> bytes:
    """Adam7: seven pictures, each finer than the one before."""
    return _png(width, height, bits=8, interlaced=True, data=_adam7(picture(width, height)))


def animated_png(
    width: int = 320, height: int = 240, *, durations_ms: Sequence[int] = (100, 200, 300), loop: int = 0
) -> bytes:
    """The walking square as PNG, with a plain picture for readers that know no animation."""
    return _animated(width, height, "PNG", durations_ms, disposal=1, loop=loop)


def animated_png_interlaced(width: int = 64, height: int = 48) -> bytes:
    """Two frames in Adam7."""
    pixels = zlib.compress(_adam7(picture(width, height)))
    shown = struct.pack(">IIIIHHBB", width, height, 0, 0, 100, 1000, 0, 0)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)),
        (b"acTL", struct.pack(">II", 2, 0)),
        (b"fcTL", struct.pack(">I", 0) + shown),
        (b"IDAT", pixels),
        (b"fcTL", struct.pack(">I", 1) + shown),
        (b"fdAT", struct.pack(">I", 2) + pixels),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def gif_that_grows() -> bytes:
    """16 x 16, of which the third frame reaches farther."""
    whole = gif_with_many_frames(4)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    parts = whole.split(frame)
    return frame.join(parts[:3]) + b"\x2c" + struct.pack("<HHHHB", 30, 0, 1, 1, 0) + frame.join(parts[3:])


def animated_avif(width: int = 320, height: int = 240, *, durations_ms: Sequence[int] = (100, 200, 300)) -> bytes:
    """The same as AVIF."""
    return _animated(width, height, "AVIF", durations_ms, quality=80, speed=9, max_threads=1)


def begins_blank(image_format: str, blank: int | tuple[int, ...], frames: int = 3) -> bytes:
    """An animation of plain frames, and at last the photo."""
    mode = "RGBA" if isinstance(blank, tuple) and len(blank) == 4 else "RGB"
    plain = [Image.new(mode, (320, 240), blank) for _ in range(frames - 1)]
    for number, frame in enumerate(plain):  # or the encoder makes one frame of equal ones
        frame.putpixel((number, 0), (1, 2, 3, 4)[: len(mode)])
    whole = [*plain, picture(320, 240).convert(mode)]
    return _saved(whole[0], image_format, save_all=True, append_images=whole[1:], duration=100, loop=0)


def animated_noise(frames: int, image_format: str = "WEBP") -> bytes:
    """An animation of which no frame is like another, so that it takes many bytes."""
    random = zlib.crc32
    whole = []
    for frame in range(frames):
        grain = b"".join(struct.pack("<I", random(struct.pack("<II", frame, at))) for at in range(160 * 120 * 3 // 4))
        whole.append(Image.frombytes("RGB", (160, 120), grain).resize((320, 240), Image.Resampling.NEAREST))
    return _saved(whole[0], image_format, save_all=True, append_images=whole[1:], duration=50, quality=60)


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


def _png(width: int, height: int, *, bits: int, interlaced: bool, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, interlaced)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


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


def _adam7(image: Image.Image) -> bytes:
    data = b""
    for left, top, across, down in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
    ):  # fmt: skip
        for y in range(top, image.height, down):
            row = (image.crop((x, y, x + 1, y + 1)).tobytes() for x in range(left, image.width, across))
            data += b"\0" + b"".join(row)
    return data


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
