"""Sounds: somebody who speaks, and somebody who plays."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np

_Wave = np.ndarray[Any, np.dtype[np.float64]]


def voice_note() -> bytes:
    """Ogg/Opus, mono, as the microphone button makes."""
    return _encoded("ogg", "libopus", speech(4.2, 48_000), rate=48_000, bit_rate=18_000)


def song() -> bytes:
    """A few notes as MP3."""
    return _encoded("mp3", "libmp3lame", music(3.0, 44_100), rate=44_100, bit_rate=56_000)


def memo() -> bytes:
    """AMR, as old phones record."""
    return _encoded("amr", "libopencore_amrnb", speech(3.4, 8_000, seed=5), rate=8_000, bit_rate=12_200)


def recording() -> bytes:
    """AAC in an MP4 container, as voice recorders make."""
    return _encoded("ipod", "aac", music(2.4, 44_100, up=4), rate=44_100, bit_rate=48_000)


def speech(seconds: float, rate: int, *, seed: int = 2) -> _Wave:
    """What looks like speech: syllables of a humming voice with pauses between the words."""
    chance = np.random.default_rng(seed)
    wave = np.zeros(int(seconds * rate))
    at = 0.12
    while at < seconds - 0.4:
        for _ in range(int(chance.integers(1, 5))):
            length, loud = chance.uniform(0.11, 0.22), chance.uniform(0.25, 1.0)
            times = np.arange(int(length * rate)) / rate
            pitch = chance.uniform(105, 165)
            hum: _Wave = sum(
                (np.sin(2 * np.pi * pitch * n * times) / n**0.8 for n in range(1, 9)), start=np.zeros_like(times)
            )
            hiss = chance.normal(0, 0.25, len(times))
            start = int(at * rate)
            syllable = loud * np.sin(np.pi * times / length) ** 0.7 * (hum + hiss)
            wave[start : start + len(times)] += syllable[: len(wave) - start]
            at += length * 0.9
            if at > seconds - 0.3:
                break
        at += chance.uniform(0.12, 0.34)
    return _loud(wave)


def music(seconds: float, rate: int, *, up: int = 0) -> _Wave:
    """Plucked notes of a scale."""
    wave = np.zeros(int(seconds * rate))
    for number, step in enumerate((0, 4, 7, 12, 7, 4, 9, 5, 2, 7, 11, 12)):
        start = int(number * seconds / 12 * rate)
        times = np.arange(len(wave) - start) / rate
        pitch = 262 * 2 ** ((step + up) / 12)
        note = np.sin(2 * np.pi * pitch * times) + 0.4 * np.sin(4 * np.pi * pitch * times)
        wave[start:] += note * np.exp(-6 * times) * (1 - np.exp(-400 * times))
    swell = 0.25 + 0.75 * np.abs(np.sin(np.arange(len(wave)) / len(wave) * np.pi * 2.5))
    return _loud(wave * swell)


def frames(wave: _Wave, rate: int, samples: int = 960) -> Iterator[av.AudioFrame]:
    """The sound as mono frames of 16-bit numbers."""
    numbers = (wave * 32_767).astype(np.int16)
    for start in range(0, len(numbers) - samples + 1, samples):
        frame = av.AudioFrame.from_ndarray(numbers[None, start : start + samples], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame


def add_sound(container: av.container.OutputContainer, codec: str, rate: int, bit_rate: int) -> av.AudioStream:
    """A mono stream in this codec."""
    stream = container.add_stream(codec, rate=rate, layout="mono")
    assert isinstance(stream, av.AudioStream)  # noqa: S101 - tells mypy what the codec is for
    stream.bit_rate = bit_rate
    return stream


def mux_sound(container: av.container.OutputContainer, stream: av.AudioStream, wave: _Wave, rate: int) -> None:
    """Encode the whole sound into the container."""
    samples = 160 if rate == 8_000 else 960  # AMR takes frames of 20 ms only
    for frame in frames(wave, rate, samples):
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _loud(wave: _Wave) -> _Wave:
    louder: _Wave = wave / np.abs(wave).max() * 0.7
    return louder


def _encoded(form: str, codec: str, wave: _Wave, *, rate: int, bit_rate: int) -> bytes:
    sink = BytesIO()
    with av.open(sink, "w", format=form) as container:
        stream = add_sound(container, codec, rate, bit_rate)
        mux_sound(container, stream, wave, rate)
    return sink.getvalue()
