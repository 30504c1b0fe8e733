"""How loud each moment of decoded sound is. Runs in a worker."""

from collections.abc import Iterator
from typing import cast

from av.audio.frame import AudioFrame
from PIL import Image

from previewer.render.conversion import Conversion

_BYTES = 4
_FULL_SCALE = 2**31


class Loudness:
    """The loudest sample of each moment, over all channels."""

    def __init__(self) -> None:
        # Whole numbers, as a float that is none would be neither loud nor silent.
        self._conversion = Conversion(format="s32")

    def of(self, frame: AudioFrame, moment_seconds: float) -> Iterator[tuple[float, float]]:
        """When, counted from the begin of the frame, and how loud, 1 being full scale."""
        for part in self._conversion.of(frame):
            channels = part.layout.nb_channels
            samples = bytes(part.planes[0])[: part.samples * channels * _BYTES]  # a plane is longer than its samples
            moment = max(1, int(moment_seconds * part.sample_rate))
            for start in range(0, part.samples, moment):
                few = samples[start * channels * _BYTES : (start + moment) * channels * _BYTES]
                yield start / part.sample_rate, _loudest(few)


def _loudest(samples: bytes) -> float:
    """Pillow finds the extremes of four-byte numbers far faster than Python does."""
    row = Image.frombytes("I", (len(samples) // _BYTES, 1), samples)
    low, high = cast(tuple[int, int], row.getextrema())
    return max(-low, high) / _FULL_SCALE
