"""Small sound files made in code: as phones and recorders send them, and broken ones. Deterministic.

A sound is a list of samples between -1 and 1; `encoded` and its sisters write it as a file.
"""

import math
import struct
from array import array
from collections.abc import Iterable, Sequence
from fractions import Fraction
from io import BytesIO
from random import Random
from typing import cast

import av
from av.audio.stream import AudioStream

Samples = Sequence[float]
RATE = 48_000


# ---- what is heard --------------------------------------------------------------------------------------------------


def tone(seconds: float, *, hertz: float = 440.0, loudness: float = 0.5, rate: int = RATE) -> list[float]:
    """A steady beep."""
    step = 2 * math.pi * hertz / rate
    return [loudness * math.sin(step * at) for at in range(round(seconds * rate))]


def silence(seconds: float, *, rate: int = RATE) -> list[float]:
    """Nothing."""
    return [0.0] * round(seconds * rate)


def speech(seconds: float, *, rate: int = RATE, seed: int = 1) -> list[float]:
    """Four syllables a second, each as loud as another one is not; no two tenths of a second are alike."""
    random = Random(seed)  # noqa: S311  # for the same sound each time, not for a secret
    samples: list[float] = []
    syllable = rate // 4
    while len(samples) < seconds * rate:
        loudness, pitch = random.uniform(0.1, 0.9), random.uniform(120, 400)
        step = 2 * math.pi * pitch / rate
        samples += [
            loudness * math.sin(math.pi * at / syllable) * (0.7 * math.sin(step * at) + 0.3 * math.sin(3 * step * at))
            for at in range(syllable)
        ]
    return samples[: round(seconds * rate)]


# ---- real files -----------------------------------------------------------------------------------------------------


def voice_note(samples: Samples) -> bytes:
    """As WhatsApp sends them: Opus in Ogg, one channel, 16 kbit/s."""
    return encoded(samples, "ogg", "libopus", bit_rate=16_000, options={"application": "voip"})


def vorbis(samples: Samples) -> bytes:
    """Vorbis in Ogg, two channels, as older players write it."""
    return encoded(samples, "ogg", "vorbis", channels=2, options={"strict": "experimental"})


def mp3(samples: Samples, *, channels: int = 1) -> bytes:
    """With the header that counts its frames."""
    return encoded(samples, "mp3", "libmp3lame", bit_rate=64_000, channels=channels)


def mp3_without_a_count(samples: Samples) -> bytes:
    """As cut from a stream: nothing tells how long it is."""
    return encoded(samples, "mp3", "libmp3lame", bit_rate=64_000, container_options={"write_xing": "0"})


def m4a(samples: Samples, *, channels: int = 1) -> bytes:
    """AAC in MP4, as iPhones record."""
    return encoded(samples, "ipod", "aac", bit_rate=64_000, channels=channels)


def alac(samples: Samples) -> bytes:
    """Apple's lossless codec in the same container: no browser but Safari plays it."""
    return encoded(samples, "ipod", "alac")


def adts(samples: Samples) -> bytes:
    """AAC without a container, as Android records."""
    return encoded(samples, "adts", "aac", bit_rate=64_000)


def amr(samples: Samples) -> bytes:
    """Narrow-band AMR at 8 kHz, as old phones record."""
    return encoded(samples, "amr", "libopencore_amrnb", bit_rate=12_200, rate=8_000)


def amr_wide_band(frames: int) -> bytes:
    """Wide-band AMR, by hand as no encoder is there: each frame of 20 ms says "no data", which is heard as silence."""
    return b"#!AMR-WB\n" + bytes([15 << 3 | 4]) * frames


def wav(samples: Samples) -> bytes:
    """Uncompressed, 16 bits."""
    return encoded(samples, "wav", "pcm_s16le")


def flac(samples: Samples) -> bytes:
    """Compressed without loss. The number of samples is in its header."""
    return encoded(samples, "flac", "flac")


def mp3_with_cover(samples: Samples, picture: bytes) -> bytes:
    """A song that shows a PNG."""
    return _id3([_frame(b"APIC", b"\x00image/png\x00\x03\x00" + picture)]) + mp3(samples)


def encoded(
    samples: Samples,
    container: str,
    codec: str,
    *,
    bit_rate: int | None = None,
    channels: int = 1,
    rate: int = RATE,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> bytes:
    """The samples, the same in each channel, by FFmpeg's names of container and codec; kept at `rate`."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=container, options=container_options or {}) as output:
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
        stream = cast(AudioStream, output.add_stream(codec, rate=rate, options=options or {}))
        stream.codec_context.layout = layout
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        for frame in (*_frames(samples, channels=channels, layout=layout), None):
            output.mux(stream.encode(frame))
    return buffer.getvalue()


def decoded(data: bytes, container: str, *, rate: int = 8_000) -> list[float]:
    """The samples of a file, mixed to one channel at `rate`."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    samples = array("h")
    with av.open(BytesIO(data), "r", format=container) as source:
        for frame in (*source.decode(audio=0), None):
            for part in resampler.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: 2 * part.samples])
    return [sample / 32_768 for sample in samples]


def _frames(samples: Samples, *, channels: int, layout: str) -> Iterable[av.AudioFrame]:
    for start in range(0, len(samples), RATE):
        part = samples[start : start + RATE]
        data = array("h", (round(32_767 * sample) for sample in part for _ in range(channels)))
        frame = av.AudioFrame(format="s16", layout=layout, samples=len(part))
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        # a plane is longer than its samples
        frame.planes[0].update(data.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        yield frame


# ---- longer than anybody talks --------------------------------------------------------------------------------------


def long_amr(seconds: int) -> bytes:
    """Hours of AMR in little memory: one second of speech, again and again."""
    header = b"#!AMR\n"
    second = amr(speech(1.0)).removeprefix(header)[: 32 * 50]
    return header + second * seconds


# ---- broken files ---------------------------------------------------------------------------------------------------


def filler(size: int, seed: int = 7) -> bytes:
    """What means nothing to any decoder."""
    return Random(seed).randbytes(size)  # noqa: S311  # for the same bytes each time, not for a secret


def wav_of_rate(rate: int, channels: int = 1) -> bytes:
    """A header that says how many samples make a second, and a few of them."""
    data = bytes(64 * channels)
    header = struct.pack("<HHIIHH", 1, channels, rate, (rate * channels * 2) & 0xFFFFFFFF, channels * 2 & 0xFFFF, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _id3(frames: Sequence[bytes]) -> bytes:
    body = b"".join(frames)
    return b"ID3\x03\x00\x00" + bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def _frame(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">I", len(data)) + b"\x00\x00" + data
