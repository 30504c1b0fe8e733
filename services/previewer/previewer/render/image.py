"""Pictures and stickers to WebP renditions. Runs in a worker: no asyncio, nothing but the two paths it is given."""

from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import ExifTags, Image

from previewer.plan import RenditionSpec
from previewer.render.animation import Animation, animation
from previewer.render.colour import resizable, to_srgb
from previewer.render.decoding import opened
from previewer.render.job import Limits, Rendered, RenderedFile
from previewer.render.placeholder import thumbhash
from shared.errors import PreviewUnreadable
from shared.media import Facts

_TURNED: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})
_MOVING = frozenset({"image/gif", "image/webp"})

# Encoding is most of the work. At 1280 px the default method 4 takes twice as long and saves 2 % of the bytes.
_STILL = {"quality": 80, "method": 2}
_MOTION = {"quality": 70, "method": 2}
_VP8X_ALPHA = 0x10


def render(source: Path, out_dir: Path, specs: Sequence[RenditionSpec], mime_type: str, limits: Limits) -> Rendered:
    """Write the renditions of `source` into `out_dir`; nothing of the original's metadata is in them.

    The file is decoded once, at the size that the largest spec needs; each smaller one is made from the larger one.
    Raises `PreviewUnreadable` when the bytes are no picture of this type, or too large a one.
    """
    with opened(source, mime_type, limits) as image:
        width, height = image.size
        turn = _orientation(image)
        moving = _moving(image, turn, specs, limits) if mime_type in _MOVING else {}
        still = _scaled(image, turn, max(spec.max_edge for spec in specs))
    if turn in _ON_ITS_SIDE:
        width, height = height, width

    files: dict[str, RenderedFile] = {}
    for spec in sorted(specs, key=lambda spec: -spec.max_edge):
        still = _shrunk(still, spec.max_edge)
        files[spec.name] = _written(spec, still, moving.get(spec.name), out_dir, limits)
    facts = Facts(width=width, height=height, thumbhash=thumbhash(still))
    return Rendered(facts=facts, files=tuple(files[spec.name] for spec in specs))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (ValueError, SyntaxError, LookupError, TypeError, OSError):
        return 1  # broken EXIF is no reason to refuse a good picture
    return value if value in _TURNED else 1


def _moving(
    image: Image.Image, turn: int, specs: Sequence[RenditionSpec], limits: Limits
) -> Mapping[str, Animation | None]:
    moving = {
        spec.name: animation(image, partial(_scaled, turn=turn, max_edge=spec.max_edge), limits)
        for spec in specs
        if spec.animated
    }
    image.seek(0)
    return moving


def _scaled(image: Image.Image, turn: int, max_edge: int) -> Image.Image:
    """The picture as people should see it: upright, sRGB, inside the box."""
    profile = image.info.get("icc_profile")
    # A JPEG can be decoded at a half, a quarter or an eighth for a fraction of the time and memory.
    image.draft(None, _fitting(image.size, max_edge))
    image.load()
    upright = to_srgb(_shrunk(resizable(image), max_edge), profile)
    return upright.transpose(_TURNED[turn]) if turn in _TURNED else upright


def _shrunk(image: Image.Image, max_edge: int) -> Image.Image:
    size = _fitting(image.size, max_edge)
    if size == image.size:
        return image
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _fitting(size: tuple[int, int], max_edge: int) -> tuple[int, int]:
    scale = min(1.0, max_edge / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _written(
    spec: RenditionSpec, still: Image.Image, motion: Animation | None, out_dir: Path, limits: Limits
) -> RenderedFile:
    data = _webp_in_motion(motion) if motion else b""
    if not data or len(data) > limits.output_bytes:  # a thumb that stands still is better than none
        data = _webp(still)
    if len(data) > limits.output_bytes:
        msg = f"the {spec.name} takes {len(data):,} bytes, the limit is {limits.output_bytes:,}"
        raise PreviewUnreadable(msg)
    path = out_dir / spec.file_name("webp")
    path.write_bytes(data)
    return RenderedFile(
        name=spec.name,
        recipe=spec.recipe,
        path=path,
        mime_type="image/webp",
        width=still.width,
        height=still.height,
        size_bytes=len(data),
    )


def _webp(still: Image.Image) -> bytes:
    buffer = BytesIO()
    still.save(buffer, "WEBP", **_STILL)
    return buffer.getvalue()


def _webp_in_motion(motion: Animation) -> bytes:
    first, *others = motion.frames
    buffer = BytesIO()
    first.save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=list(motion.durations_ms),
        loop=motion.loop,
        **_MOTION,
    )
    return _with_alpha_announced(buffer.getvalue()) if first.mode == "RGBA" else buffer.getvalue()


def _with_alpha_announced(data: bytes) -> bytes:
    """The encoder crops each frame to what changed, and forgets the file's alpha flag when all crops are opaque.

    Readers that trust the flag would then show a black ground.
    """
    if data[12:16] != b"VP8X":
        return data
    return data[:20] + bytes([data[20] | _VP8X_ALPHA]) + data[21:]
