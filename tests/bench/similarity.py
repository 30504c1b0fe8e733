"""How much of a picture is left: SSIM, the structural similarity index (Wang et al. 2004), on brightness."""

import numpy as np
from PIL import Image

_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_GROUND = (128, 128, 128)  # what shines through holes


def ssim(one: Image.Image, other: Image.Image) -> float:
    """1 for the same picture. Both have the same size."""
    a, b = _brightness(one), _brightness(other)
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a = _blurred(a * a) - mean_a**2
    variance_b = _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return float(np.mean(likeness / ((mean_a**2 + mean_b**2 + _C1) * (variance_a + variance_b + _C2))))


def _brightness(image: Image.Image) -> np.ndarray:
    flat = Image.new("RGB", image.size, _GROUND)
    picture = image.convert("RGBA")
    flat.paste(picture, mask=picture)
    return np.asarray(flat.convert("L"), dtype=np.float64)


def _blurred(values: np.ndarray) -> np.ndarray:
    """A Gaussian window of 11 x 11, where it lies inside."""
    weights = np.exp(-(np.arange(-_RADIUS, _RADIUS + 1) ** 2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        length = values.shape[axis] - 2 * _RADIUS
        values = sum(weight * values.take(range(start, start + length), axis) for start, weight in enumerate(weights))
    return values
