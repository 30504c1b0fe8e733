"""Pictures and stickers. Runs in a worker: no asyncio, nothing but the paths it is given."""

from collections.abc import Mapping
from functools import partial

from PIL import ExifTags, Image

from previewer.render.animation import Animation, is_animated, played
from previewer.render.colour import resizable, to_srgb
from previewer.render.decoding import FORMATS, opened
from previewer.render.job import Job, Rendered
from previewer.render.nclx import profile_of
from previewer.render.pictures import fitting, max_edge, pictures, shrunk, still_edge
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
_MOVING = frozenset({"image/gif", "image/webp", "image/png", "image/avif"})
# Their decoders turn them, and size them as turned; Pillow's AVIF only tells, in EXIF, how to turn.
_TURNED_BY_DECODER = frozenset({FORMATS["image/heif"], FORMATS["image/tiff"]})


def render(job: Job) -> Rendered:
    """Write the renditions that the picture lacks; nothing of the original's metadata is in them.

    The file is decoded once, for the largest that it has; each smaller one is made from the larger one.
    Raises `PreviewUnreadable` when the bytes are no picture of this type, or too large a one.
    """
    with opened(job.source, job.mime_type, job.limits) as image:
        turn = _orientation(image)
        width, height = reversed(image.size) if turn in _ON_ITS_SIDE else image.size
        animated = (job.mime_type in _MOVING and is_animated(image, job.limits)) or None
        facts = Facts(width=width, height=height, animated=animated)
        specs = job.missing(facts)
        scaled = partial(_scaled, turn=turn, profile=profile_of(image, job.source))
        large = partial(scaled, max_edge=still_edge(job, facts))
        moving: dict[str, Animation | None] = {}
        if animated:
            spec = next((spec for spec in specs if spec.animated), None)
            small = partial(scaled, max_edge=max_edge(spec)) if spec else None
            seen = played(image, job.limits, still=large, moving=small)
            still = seen.still
            if spec:
                moving[spec.name] = seen.animation
        else:
            still = large(image)
    made = pictures(still, specs, job, moving=moving)
    return Rendered(facts=facts.model_copy(update={"thumbhash": made.thumbhash}), files=made.files)


def _orientation(image: Image.Image) -> int:
    if image.format in _TURNED_BY_DECODER:
        return 1
    if image.format == FORMATS["image/png"]:
        image.load()  # EXIF may stand behind the pixels; damage of those is not forgiven below
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (ValueError, SyntaxError, LookupError, TypeError, OSError):
        return 1  # broken EXIF is no reason to refuse a good picture
    return value if value in _TURNED else 1


def _scaled(image: Image.Image, *, turn: int, profile: bytes | None, max_edge: int) -> Image.Image:
    """The picture as people should see it: upright, sRGB, inside the box."""
    # A JPEG can be decoded at a half, a quarter or an eighth for a fraction of the time and memory.
    image.draft(None, fitting(image.size, max_edge))
    image.load()
    upright = to_srgb(shrunk(resizable(image), max_edge), profile)
    return upright.transpose(_TURNED[turn]) if turn in _TURNED else upright
