"""A form of a sound that every browser plays: AAC in MP4, its index in front so that it plays while it loads."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from previewer.render.conversion import Conversion

MIME_TYPE = "audio/mp4"

_RATES = (44_100, 48_000)
_BITS_PER_SECOND = 48_000  # of each channel: fit for a voice
# by channels: a voice takes half the bytes for a quarter more time; with two channels that would be half as much more
_CODERS = {1: "twoloop", 2: "fast"}


class M4a:
    """Writes frames to a file as they come, in little memory. One channel stays one; many become two.

    Either `finish` it or `abandon` it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._container = av.open(str(path), "w", format="ipod", options={"movflags": "+faststart"})
        self._stream: AudioStream | None = None
        self._conversion = Conversion(format="fltp")
        self._samples = 0

    def write(self, frame: AudioFrame) -> None:
        """The first one tells the rate and the channels of the file."""
        with _disk_errors():
            if self._stream is None:
                self._stream = self._begun(frame)
            for part in self._conversion.of(frame):
                self._encode(part)

    def finish(self) -> None:
        """Complete the file. There has to be a frame in it."""
        with _disk_errors():
            for part in self._conversion.rest():
                self._encode(part)
            self._container.mux(cast(AudioStream, self._stream).encode(None))
            self._container.close()

    def abandon(self) -> None:
        """Remove the file."""
        with _disk_errors():
            self._container.close()
        self._path.unlink(missing_ok=True)

    def _begun(self, frame: AudioFrame) -> AudioStream:
        rate = frame.sample_rate if frame.sample_rate in _RATES else _RATES[-1]
        channels = min(frame.layout.nb_channels, 2)
        layout = "mono" if channels == 1 else "stereo"
        self._conversion = Conversion(format="fltp", layout=layout, rate=rate)
        stream = self._container.add_stream("aac", rate=rate, options={"aac_coder": _CODERS[channels]})
        stream.codec_context.layout = layout
        stream.codec_context.bit_rate = channels * _BITS_PER_SECOND
        stream.codec_context.thread_count = 1
        return stream

    def _encode(self, frame: AudioFrame) -> None:
        # the sound's own clock may jump, so this one counts samples
        frame.pts, frame.time_base = self._samples, Fraction(1, frame.sample_rate)
        self._samples += frame.samples
        self._container.mux(cast(AudioStream, self._stream).encode(frame))


@contextmanager
def _disk_errors() -> Iterator[None]:
    """FFmpeg reports a full disk like a damaged sound; they are told apart by number."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, MemoryError) or error.errno not in errno.errorcode:
            raise
        raise OSError(error.errno, error.strerror) from error
