"""Decoded sound in one sample format, whatever the decoder changes to on the way."""

from collections.abc import Iterator

from av import AudioResampler
from av.audio.frame import AudioFrame


class Conversion:
    """Frames to `format`, and to `layout` and `rate` when they are given; otherwise these stay what they are."""

    def __init__(self, *, format: str, layout: str | None = None, rate: int | None = None) -> None:
        self._format = format
        self._layout = layout
        self._rate = rate
        self._source: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None

    def of(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """The frame converted; some of it may be held back until the next one or `rest`."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source != self._source:
            yield from self.rest()
            self._source = source
            self._resampler = AudioResampler(format=self._format, layout=self._layout, rate=self._rate)
        if self._resampler is not None:
            yield from self._resampler.resample(frame)

    def rest(self) -> Iterator[AudioFrame]:
        """What was held back."""
        if self._resampler is not None:
            yield from self._resampler.resample(None)
        self._source = self._resampler = None
