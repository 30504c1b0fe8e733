"""Pictures to preview, made in code: light falls off, clouds of detail at every scale, hard edges, a little grain."""

from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

_ROUGHNESS = 1.3  # how fast detail fades with its frequency; 1 is sand, 2 is fog
_LIGHT_SIGMA, _COLOUR_SIGMA, _GRAIN_SIGMA = 38.0, 14.0, 2.5
_SHAPES = 24


@dataclass(frozen=True, kw_only=True)
class Original:
    """A file as a customer sends it."""

    name: str
    file_name: str
    mime_type: str
    pixels: int
    data: bytes


@cache
def originals() -> tuple[Original, ...]:
    """One of each kind that the speed figures are about. The same bytes in every run."""
    return (
        Original(
            name="2 MP JPEG",
            file_name="small.jpg",
            mime_type="image/jpeg",
            pixels=1600 * 1200,
            data=_saved(_scene(1600, 1200, seed=1), "JPEG", quality=85),
        ),
        Original(
            name="12 MP JPEG",
            file_name="large.jpg",
            mime_type="image/jpeg",
            pixels=4000 * 3000,
            data=_saved(_scene(4000, 3000, seed=2), "JPEG", quality=88),
        ),
        Original(
            name="3 MP PNG",
            file_name="scan.png",
            mime_type="image/png",
            pixels=2048 * 1536,
            data=_saved(_scene(2048, 1536, seed=3), "PNG"),
        ),
        Original(
            name="512 px sticker",
            file_name="sticker.webp",
            mime_type="image/webp",
            pixels=512 * 512,
            data=_saved(_cut_out(_scene(512, 512, seed=4)), "WEBP", quality=85),
        ),
    )


def _scene(width: int, height: int, *, seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    light = _cloud(width, height, random) * _LIGHT_SIGMA
    light += np.linspace(30, -30, height, dtype=np.float32)[:, None]
    colours = [_cloud(width, height, random) * _COLOUR_SIGMA for _ in range(2)]
    red, blue = light + colours[0], light + colours[1]
    green = light - 0.3 * colours[0] - 0.1 * colours[1]
    pixels = np.stack([red, green, blue], axis=-1) + 118
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    image = Image.blend(image, _with_shapes(image, random), 0.6)
    grain = random.normal(0, _GRAIN_SIGMA, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def _cloud(width: int, height: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Noise whose amplitude falls with its frequency as in photographs; average 0, deviation 1."""
    spectrum = np.fft.rfft2(random.normal(0, 1, (height, width)).astype(np.float32))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1
    spectrum /= frequency**_ROUGHNESS
    spectrum[0, 0] = 0
    cloud = np.fft.irfft2(spectrum, s=(height, width))
    return np.asarray(cloud / cloud.std(), dtype=np.float32)


def _with_shapes(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Things in front of it: discs and bars with edges as sharp as a lens makes them."""
    shapes = image.copy()
    draw = ImageDraw.Draw(shapes)
    width, height = image.size
    for number in range(_SHAPES):
        left, top = random.uniform(-0.1, 0.9) * width, random.uniform(-0.1, 0.9) * height
        edge = random.uniform(0.03, 0.2) * width
        box = (left, top, left + edge, top + edge * random.uniform(0.3, 1.5))
        fill = tuple(int(part) for part in random.integers(20, 236, 3))
        (draw.ellipse if number % 2 else draw.rectangle)(box, fill=fill)
    return shapes.filter(ImageFilter.GaussianBlur(0.7))


def _cut_out(image: Image.Image) -> Image.Image:
    """A sticker: its outline smooth, what is around it transparent."""
    mask = Image.new("L", (image.width * 2, image.height * 2))
    ImageDraw.Draw(mask).ellipse((60, 100, mask.width - 60, mask.height - 100), fill=255)
    image.putalpha(mask.resize(image.size, Image.Resampling.BOX))
    return image


def _saved(image: Image.Image, image_format: str, **options: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()
