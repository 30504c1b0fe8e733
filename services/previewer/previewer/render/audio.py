"""Sound: its waveform, and a form that every browser plays. Runs in a worker."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from previewer.render.containers import can_be_decoded, decoder_name, opened
from previewer.render.job import Job, Rendered, RenderedFile
from previewer.render.listening import Listening
from previewer.render.loudness import Loudness
from previewer.render.m4a import MIME_TYPE as M4A_TYPE
from previewer.render.m4a import M4a
from previewer.render.pictures import pictures
from previewer.render.sound_picture import sound_picture
from previewer.render.waveform import Peaks
from shared.errors import PreviewUnreadable
from shared.media import Facts
from shared.plan import PLAYABLE, PLAYABLE_SECONDS, THUMB, WAVEFORM

# What Chrome, Firefox and Safari all play, by FFmpeg's names of decoders.
_PLAYABLE: Mapping[str, frozenset[str]] = {
    "audio/aac": frozenset({"aac"}),
    "audio/flac": frozenset({"flac"}),
    "audio/mp4": frozenset({"aac", "mp3", "mp3float"}),
    "audio/mpeg": frozenset({"mp3", "mp3float"}),
    "audio/wav": frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"}),
    # without pictures
    "video/mp4": frozenset({"aac", "mp3", "mp3float"}),
    "video/quicktime": frozenset({"aac", "mp3", "mp3float"}),
    "video/webm": frozenset({"opus", "vorbis"}),
}

_SORRY = "This audio file {}, so it has no preview. The original can be downloaded."


def render(job: Job) -> Rendered:
    """Write the renditions that the sound lacks; what can be decoded of a damaged one is used.

    Raises `PreviewUnreadable` when the bytes are no sound of this type, or nothing of it can be decoded.
    """
    sound = _heard(job, believing=True)
    if PLAYABLE in job.missing(sound.facts) and sound.m4a is None:
        sound = _heard(job, believing=False)  # the file says that it is longer than it is
    return Rendered(facts=sound.facts, files=tuple(_files(sound, job)))


@dataclass(frozen=True, kw_only=True)
class _Sound:
    facts: Facts
    peaks: Sequence[int]
    m4a: Path | None  # None: nobody needs it, or the sound is too long


def _heard(job: Job, *, believing: bool) -> _Sound:
    """Waveform and playable form in one pass. Who believes the file does not begin with what it cannot finish."""
    with opened(job) as container:
        stream = _sound_track(container)
        playable = stream.codec_context.codec.name in _PLAYABLE.get(job.mime_type, ())
        said = container.duration / av.time_base if believing and container.duration else 0.0
        wanted = job.missing(Facts(playable=playable, duration_seconds=said))
        path = job.out_dir / PLAYABLE.file_name("m4a") if PLAYABLE in wanted else None
        encoder = M4a(path) if path else None
        # also when its playable form exists already: skipping could make the sound a little longer than it was then
        listening = Listening(container, stream, whole_seconds=0.0 if playable else PLAYABLE_SECONDS)
        loudness, peaks = Loudness(), Peaks()
        for part in listening:
            if encoder and _rounded(listening.seconds) > PLAYABLE_SECONDS:
                encoder.abandon()
                encoder = None
            if part.frame is None:
                continue
            for at_seconds, loud in loudness.of(part.frame, peaks.window_seconds):
                peaks.add(part.at_seconds + at_seconds, loud)
            if encoder:
                encoder.write(part.frame)
        if not listening.seconds:
            raise PreviewUnreadable(_SORRY.format("is damaged or empty"), detail="no frame can be decoded")
        if encoder:
            encoder.finish()
    seconds = _rounded(listening.seconds) if listening.complete else None
    return _Sound(
        facts=Facts(playable=playable, duration_seconds=seconds),
        peaks=peaks.normalised(),
        m4a=path if encoder else None,
    )


def _sound_track(container: InputContainer) -> AudioStream:
    """The first that can be decoded; a cover or a film beside it does not matter."""
    tracks = container.streams.audio
    if not tracks:
        raise PreviewUnreadable(_SORRY.format("holds no sound"))
    for track in tracks:
        if can_be_decoded(track):
            return track
    msg = _SORRY.format("is recorded in a format that previews are not made of")
    raise PreviewUnreadable(msg, detail=f"codec {decoder_name(tracks[0])}")


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def _files(sound: _Sound, job: Job) -> Iterator[RenderedFile]:
    for spec in job.missing(sound.facts):
        if spec == WAVEFORM:
            path = job.out_dir / spec.file_name("json")
            path.write_text(_waveform(sound), encoding="ascii")
            yield RenderedFile(name=spec.name, recipe=spec.recipe, path=path, mime_type="application/json")
        elif spec == THUMB:
            yield from pictures(sound_picture(sound.peaks), (spec,), job).files
        elif spec == PLAYABLE and sound.m4a:
            yield RenderedFile(name=spec.name, recipe=spec.recipe, path=sound.m4a, mime_type=M4A_TYPE)


def _waveform(sound: _Sound) -> str:
    told = {"version": 1, "durationSeconds": sound.facts.duration_seconds, "peaks": sound.peaks}
    return json.dumps(told, separators=(",", ":"))
