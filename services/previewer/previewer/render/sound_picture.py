"""What stands for a sound among pictures: its waveform as bars."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from previewer.render.waveform import bars

_SIZE = (320, 80)
_BAR, _GAP = 3, 2
_COLOUR = (107, 138, 184, 255)  # three and a half times as dark as white, and six times as light as black


def sound_picture(peaks: Sequence[int]) -> Image.Image:
    """RGBA on nothing, so that it fits on a light page and on a dark one. Silence is a row of dots."""
    width, height = _SIZE
    image = Image.new("RGBA", _SIZE, (*_COLOUR[:3], 0))
    draw = ImageDraw.Draw(image)
    for at, peak in enumerate(bars(peaks, width // (_BAR + _GAP))):
        left, half = at * (_BAR + _GAP) + 1, max(1, peak * height // 200)
        draw.rectangle((left, height // 2 - half, left + _BAR - 1, height // 2 + half - 1), fill=_COLOUR)
    return image
