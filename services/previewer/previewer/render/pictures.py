"""Decoded pixels to WebP renditions: what pictures, frames of a video and pages of a PDF have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from previewer.render.animation import Animation
from previewer.render.job import Job, RenderedFile
from previewer.render.placeholder import thumbhash
from shared.errors import PreviewUnreadable
from shared.media import Facts
from shared.plan import THUMB, RenditionSpec

MIME_TYPE = "image/webp"

# Encoding is most of the work. Method 2 takes less than half the time of the encoder's default, 4, and 2 to 8 % more
# bytes; 0 halves the time again for a few per cent more, but packs holes and small pictures badly.
_QUALITY = 80
_THOROUGH, _QUICK = 2, 0
# Lanczos is the sharpest filter and the dearest: it is for what is already small.
_SMALL_PIXELS = 1280 * 1280
# Each is tried when what came before is too heavy: every frame, every second, every fourth.
_MOTIONS = ((1, 70), (2, 60), (4, 50))
_VP8X_ALPHA = 0x10


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The files, in the order of the specs, and the ThumbHash of what they show."""

    files: tuple[RenderedFile, ...]
    thumbhash: str


def pictures(
    still: Image.Image,
    specs: Sequence[RenditionSpec],
    job: Job,
    *,
    moving: Mapping[str, Animation | None] | None = None,
) -> Pictures:
    """Write an upright RGB or RGBA picture in sRGB as each of `specs`, which all have a box.

    Each smaller one is made from the larger one. `moving` holds animations by the name of their rendition.
    Raises `PreviewUnreadable` when one takes too many bytes.
    """
    files: dict[str, RenderedFile] = {}
    for spec in sorted(specs, key=max_edge, reverse=True):
        still = shrunk(still, max_edge(spec))
        files[spec.name] = _written(spec, still, (moving or {}).get(spec.name), job)
    return Pictures(files=tuple(files[spec.name] for spec in specs), thumbhash=thumbhash(still))


def still_edge(job: Job, facts: Facts) -> int:
    """The box in which the still is to be decoded: that of the largest picture such files have, though it exists.

    So one that is made alone has the same bytes as one that is made with the others. When no file is to be made the
    smallest tells the ThumbHash.
    """
    return max(max_edge(spec) for spec in (job.planned(facts) if job.missing(facts) else (THUMB,)) if spec.max_edge)


def max_edge(spec: RenditionSpec) -> int:
    """The box of a picture."""
    if spec.max_edge is None:
        msg = f"{spec.name} is no picture"
        raise ValueError(msg)
    return spec.max_edge


def shrunk(image: Image.Image, max_edge: int) -> Image.Image:
    """The picture inside the box; the same object when it fits already."""
    size = fitting(image.size, max_edge)
    if size == image.size:
        return image
    is_small = image.width * image.height <= _SMALL_PIXELS
    return image.resize(size, Image.Resampling.LANCZOS if is_small else Image.Resampling.BICUBIC, reducing_gap=2.0)


def fitting(size: tuple[int, int], max_edge: int) -> tuple[int, int]:
    """The size inside the box, at least one pixel a side, never enlarged."""
    scale = min(1.0, max_edge / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _written(spec: RenditionSpec, still: Image.Image, motion: Animation | None, job: Job) -> RenderedFile:
    limit = job.limits.picture_bytes
    # a thumb that stands still is better than none
    data = (_webp_in_motion(motion, job.limits.moving_bytes) if motion else None) or _webp(still)
    if len(data) > limit:
        msg = "This picture cannot be made small enough for a preview. The original can be downloaded."
        raise PreviewUnreadable(msg, detail=f"the {spec.name} takes {len(data):,} bytes, the limit is {limit:,}")
    path = job.out_dir / spec.file_name("webp")
    path.write_bytes(data)
    return RenderedFile(
        name=spec.name, recipe=spec.recipe, path=path, mime_type=MIME_TYPE, width=still.width, height=still.height
    )


def _webp(still: Image.Image) -> bytes:
    is_quick = still.mode == "RGB" and still.width * still.height > _SMALL_PIXELS // 4
    buffer = BytesIO()
    still.save(buffer, "WEBP", quality=_QUALITY, method=_QUICK if is_quick else _THOROUGH)
    return buffer.getvalue()


def _webp_in_motion(motion: Animation, limit: int) -> bytes | None:
    """None when it takes more bytes, however few frames and however coarse they are."""
    for step, quality in _MOTIONS:
        thinned = motion.thinned(step)
        if len(thinned.frames) < 2:
            return None
        data = _moving_webp(thinned, quality)
        if len(data) <= limit:
            return data
    return None


def _moving_webp(motion: Animation, quality: int) -> bytes:
    first, *others = motion.frames
    buffer = BytesIO()
    first.save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=list(motion.durations_ms),
        loop=motion.loop,
        quality=quality,
        method=_THOROUGH,
    )
    return _with_alpha_announced(buffer.getvalue()) if first.mode == "RGBA" else buffer.getvalue()


def _with_alpha_announced(data: bytes) -> bytes:
    """The encoder crops each frame to what changed, and forgets the file's alpha flag when all crops are opaque.

    Readers that trust the flag would then show a black ground.
    """
    if data[12:16] != b"VP8X":
        return data
    return data[:20] + bytes([data[20] | _VP8X_ALPHA]) + data[21:]
