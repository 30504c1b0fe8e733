"""A sound from beginning to end: all of it when it is short, and enough of it to draw it when it lasts for hours."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from shared.errors import PreviewUnreadable

# Decoding an hour of a voice note takes seven seconds. Behind that many samples it is listened to for a second, and
# skipped for three seconds or for a 600th of what went before, whichever is longer: each of 200 parts of the whole
# still has a few seconds of sound in it, and five hours take little more time than one.
_WHOLE_SAMPLES = 15 * 60 * 48_000
_LEAST_SAMPLES = 960  # a shorter frame takes as long
_LISTEN_SECONDS = 1.0
_SKIP_SECONDS = 3.0
_SKIP_SHARE = 1 / 600
_SETTLING_PACKETS = 4  # decoders need what went before, and make noise without

_MOST_PACKETS = 1_000_000  # reading them takes five seconds, and in voice notes they last for five hours and a half
# AMR has no other mark than three bits of each frame that are zero: what comes behind it would be heard as noise.
_AMR_ZEROS = 0x83

_RATES = range(4_000, 384_001)
_MOST_CHANNELS = 64


@dataclass(frozen=True, slots=True)
class Heard:
    """The next part of a sound. Without a frame it was skipped: it lasts, but nobody knows how loud it is."""

    at_seconds: float
    seconds: float
    frame: AudioFrame | None


class Listening:
    """Goes once through a sound. What cannot be decoded takes no time in it: it may be no sound at all.

    `complete` is false when it was too long to be gone through; then `seconds` is only how far that came.
    """

    def __init__(self, container: InputContainer, stream: AudioStream, *, whole_seconds: float) -> None:
        self._container = container
        self._stream = stream
        self._is_amr = stream.codec_context.name.startswith("amr")
        self._tick_seconds = float(stream.time_base or 0)
        self._whole_seconds = whole_seconds  # nothing before is skipped
        self._samples = 0
        self._skipped = 0.0
        self.seconds = 0.0
        self.complete = True

    def __iter__(self) -> Iterator[Heard]:
        listen_until = skip_until = 0.0
        settling = 0
        for packet in self._packets():
            now = self.seconds + self._skipped
            if now < skip_until and packet.size:
                self._skipped += min((packet.duration or 0) * self._tick_seconds, _LISTEN_SECONDS)
                settling = _SETTLING_PACKETS
                continue
            if settling == _SETTLING_PACKETS:
                self._stream.codec_context.flush_buffers()
                listen_until = now + _LISTEN_SECONDS
                if not packet.size:  # the end, and what was just skipped is as good as what was heard before
                    yield from self._skip_over()
            for frame in self._decoded(packet):
                yield from self._heard(frame, audible=settling == 0)
            settling = max(0, settling - 1)
            now = self.seconds + self._skipped
            if now >= listen_until and self._is_long():
                skip_until = now + max(_SKIP_SECONDS, now * _SKIP_SHARE)

    def _heard(self, frame: AudioFrame, *, audible: bool) -> Iterator[Heard]:
        yield from self._skip_over()  # only now: what is skipped behind the last frame may be no sound
        self._samples += max(frame.samples * frame.layout.nb_channels, _LEAST_SAMPLES)
        yield self._passed(frame.samples / frame.sample_rate, frame if audible else None)

    def _skip_over(self) -> Iterator[Heard]:
        if self._skipped:
            yield self._passed(self._skipped, None)
            self._skipped = 0.0

    def _passed(self, seconds: float, frame: AudioFrame | None) -> Heard:
        part = Heard(self.seconds, seconds, frame)
        self.seconds += seconds
        return part

    def _is_long(self) -> bool:
        return self._samples > _WHOLE_SAMPLES and self.seconds > self._whole_seconds

    def _packets(self) -> Iterator["Packet[Any]"]:
        """The last one is empty: it asks the decoder for what it holds back."""
        packets = self._container.demux(self._stream)
        for _ in range(_MOST_PACKETS):
            try:
                packet = next(packets, None) or Packet()
            except MemoryError:
                raise
            except av.FFmpegError:  # cut off, or something else begins here
                packet = Packet()
            if self._is_amr and packet.size and memoryview(packet)[0] & _AMR_ZEROS:
                packet = Packet()
            yield packet
            if not packet.size:
                return
        self.complete = False

    def _decoded(self, packet: "Packet[Any]") -> list[AudioFrame]:
        try:
            frames = self._stream.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            return []
        for frame in frames:
            if frame.sample_rate not in _RATES or frame.layout.nb_channels > _MOST_CHANNELS:
                msg = "This audio file has an unusual sampling rate or number of channels, so it has no preview."
                raise PreviewUnreadable(
                    f"{msg} The original can be downloaded.",
                    detail=f"{frame.sample_rate} Hz, {frame.layout.nb_channels} channels",
                )
        return frames
