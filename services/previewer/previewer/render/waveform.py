"""The shape of a sound in a few numbers. Pure: knows nothing of files and decoders."""

from collections.abc import Sequence
from itertools import pairwise, repeat

MOST_POINTS = 200

_MOST_WINDOWS = 16 * MOST_POINTS  # so that a point begins within a sixteenth of its width of where it should
_FINEST_SECONDS = 0.001
_INAUDIBLE = 2**-12  # of full scale: louder than the noise of 16 bits, and nobody hears it


class Peaks:
    """How loud a sound is over time, however long it turns out to be: memory and work stay small.

    Time is cut into windows. When there would be too many, each two become one.
    """

    def __init__(self) -> None:
        self._windows: list[float] = []
        self._seconds = _FINEST_SECONDS

    @property
    def window_seconds(self) -> float:
        """There is no use in telling apart what lies closer together."""
        return self._seconds

    def add(self, at_seconds: float, loudness: float) -> None:
        """Something at this time was as loud as this, 1 being full scale. What nobody spoke of was silent."""
        while (index := int(at_seconds / self._seconds)) >= _MOST_WINDOWS:
            self._windows = [max(self._windows[at : at + 2]) for at in range(0, len(self._windows), 2)]
            self._seconds *= 2
        self._windows += repeat(0.0, index + 1 - len(self._windows))
        self._windows[index] = max(self._windows[index], loudness)

    def normalised(self) -> list[int]:
        """At most `MOST_POINTS` whole numbers, each for as much time; the loudest is 100, unless all is silent."""
        windows = self._windows
        points = min(len(windows), MOST_POINTS)
        loudest = max(windows, default=0.0)
        if loudest < _INAUDIBLE:
            return [0] * points
        edges = [len(windows) * point // points for point in range(points + 1)]
        return [round(100 * max(windows[start:end]) / loudest) for start, end in pairwise(edges)]


def bars(peaks: Sequence[int], count: int) -> list[int]:
    """The peaks in `count` numbers: the loudest of each part, or each as often as it takes."""
    if not peaks:
        return [0] * count
    parts = ((at * len(peaks) // count, -(-(at + 1) * len(peaks) // count)) for at in range(count))
    return [max(peaks[start:end]) for start, end in parts]
