"""Sound from end to end: what is told of it, and the files that are made."""

import errno
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from previewer.render import audio, listening, m4a
from previewer.render.job import Rendered
from previewer.render.loudness import Loudness
from shared.errors import PreviewUnreadable
from shared.plan import PLAYABLE, THUMB, WAVEFORM
from tests import images, sounds
from tests.jobs import job

SPEECH = sounds.speech(3.0)
MIME_TYPES = {
    "voice note": "audio/ogg",
    "vorbis": "audio/ogg",
    "alac": "audio/mp4",
    "amr": "audio/amr",
    "mp3": "audio/mpeg",
    "stereo mp3": "audio/mpeg",
    "mp3 without a count": "audio/mpeg",
    "m4a": "audio/mp4",
    "5.1": "audio/mp4",
    "adts": "audio/aac",
    "wav": "audio/wav",
    "flac": "audio/flac",
}


@cache
def _speech_as(kind: str) -> bytes:
    """Three seconds of it, made when the first test asks."""
    make: dict[str, Callable[[], bytes]] = {
        "voice note": lambda: sounds.voice_note(SPEECH),
        "vorbis": lambda: sounds.vorbis(SPEECH),
        "alac": lambda: sounds.alac(SPEECH),
        "amr": lambda: sounds.amr(SPEECH),
        "mp3": lambda: sounds.mp3(SPEECH),
        "stereo mp3": lambda: sounds.mp3(SPEECH, channels=2),
        "mp3 without a count": lambda: sounds.mp3_without_a_count(SPEECH),
        "m4a": lambda: sounds.m4a(SPEECH),
        "5.1": lambda: sounds.m4a(SPEECH, channels=6),
        "adts": lambda: sounds.adts(SPEECH),
        "wav": lambda: sounds.wav(SPEECH),
        "flac": lambda: sounds.flac(SPEECH),
    }
    return make[kind]()


@pytest.fixture
def render(tmp_path: Path) -> Callable[..., Rendered]:
    """Render bytes of a type."""

    def rendered(content: bytes, mime_type: str, **options: Any) -> Rendered:
        source, out_dir = tmp_path / "original", tmp_path / "out"
        source.write_bytes(content)
        out_dir.mkdir(exist_ok=True)
        return audio.render(job(source, out_dir, mime_type, **options))

    return rendered


Render = Callable[..., Rendered]


def _waveform(rendered: Rendered) -> dict[str, Any]:
    (file,) = [file for file in rendered.files if file.name == "waveform"]
    waveform = json.loads(file.path.read_text())
    assert isinstance(waveform, dict)
    return waveform


def _playable(rendered: Rendered) -> bytes:
    (file,) = [file for file in rendered.files if file.name == "playable"]
    return file.path.read_bytes()


def _names(rendered: Rendered) -> list[str]:
    return [file.name for file in rendered.files]


# ---- each kind of file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["voice note", "vorbis", "alac", "amr"])
def test_what_some_browser_does_not_play_gets_a_form_that_all_do(kind: str, render: Render) -> None:
    content, mime_type = _speech_as(kind), MIME_TYPES[kind]

    rendered = render(content, mime_type)

    assert rendered.facts.playable is False
    assert rendered.facts.duration_seconds == pytest.approx(3.0, abs=0.05)
    assert _names(rendered) == ["waveform", "thumb", "playable"]
    heard = sounds.decoded(_playable(rendered), "mov")
    assert len(heard) / 8_000 == pytest.approx(rendered.facts.duration_seconds, abs=0.05)
    assert _likeness(heard, sounds.decoded(content, _container(mime_type))) > 0.9


@pytest.mark.parametrize("kind", ["mp3", "stereo mp3", "mp3 without a count", "m4a", "5.1", "adts", "wav", "flac"])
def test_what_every_browser_plays_is_only_drawn(kind: str, render: Render) -> None:
    rendered = render(_speech_as(kind), MIME_TYPES[kind])

    assert rendered.facts.playable is True
    assert rendered.facts.duration_seconds == pytest.approx(3.0, abs=0.05)
    assert _names(rendered) == ["waveform", "thumb"]
    assert rendered.facts.thumbhash is None


def test_wide_band_amr_is_read(render: Render) -> None:
    rendered = render(sounds.amr_wide_band(150), "audio/amr")

    assert rendered.facts.duration_seconds == 3.0
    assert _names(rendered) == ["waveform", "thumb", "playable"]


def test_a_cover_is_no_film(render: Render) -> None:
    rendered = render(sounds.mp3_with_cover(SPEECH, images.png(64, 64)), "audio/mpeg")

    assert rendered.facts.duration_seconds == pytest.approx(3.0, abs=0.05)
    assert _names(rendered) == ["waveform", "thumb"]
    assert rendered.facts.width is None


# ---- the waveform ---------------------------------------------------------------------------------------------------


def test_the_waveform_is_json_of_the_agreed_form(render: Render) -> None:
    rendered = render(_speech_as("voice note"), "audio/ogg")

    (file,) = [file for file in rendered.files if file.name == "waveform"]
    waveform = _waveform(rendered)
    assert (file.path.name, file.mime_type, file.width, file.height) == (
        f"waveform-{WAVEFORM.recipe}.json",
        "application/json",
        None,
        None,
    )
    assert set(waveform) == {"version", "durationSeconds", "peaks"}
    assert waveform["version"] == 1
    assert waveform["durationSeconds"] == rendered.facts.duration_seconds
    assert 100 <= len(waveform["peaks"]) <= 200
    assert all(isinstance(peak, int) and 0 <= peak <= 100 for peak in waveform["peaks"])
    assert max(waveform["peaks"]) == 100


def test_a_beep_shows_where_it_is(render: Render) -> None:
    sound = sounds.silence(2.0) + sounds.tone(0.5, loudness=0.05) + sounds.silence(1.5)

    peaks = _waveform(render(sounds.voice_note(sound), "audio/ogg"))["peaks"]

    loud = [at / len(peaks) for at, peak in enumerate(peaks) if peak > 50]
    assert min(loud) == pytest.approx(2.0 / 4.0, abs=0.02)
    assert max(loud) == pytest.approx(2.5 / 4.0, abs=0.02)


def test_silence_is_flat(render: Render) -> None:
    rendered = render(sounds.voice_note(sounds.silence(1.0)), "audio/ogg")

    assert set(_waveform(rendered)["peaks"]) == {0}


def test_one_sample_is_one_point(render: Render) -> None:
    rendered = render(sounds.wav([0.5]), "audio/wav")

    assert _waveform(rendered)["peaks"] == [100]
    assert rendered.facts.duration_seconds == 0.0


def test_the_thumb_shows_the_waveform_on_any_ground(render: Render) -> None:
    sound = sounds.silence(1.0) + sounds.tone(1.0)

    rendered = render(sounds.wav(sound), "audio/wav")

    (file,) = [file for file in rendered.files if file.name == "thumb"]
    assert (file.mime_type, file.width, file.height) == ("image/webp", 320, 80)
    with Image.open(file.path) as picture:
        alpha = picture.convert("RGBA").getchannel("A")
    ink = [sum(alpha.crop((left, 0, left + 160, 80)).tobytes()) for left in (0, 160)]
    assert 0 < ink[0] < ink[1] / 10  # silence is a row of dots
    assert alpha.getpixel((0, 0)) == 0


# ---- the playable form ----------------------------------------------------------------------------------------------


def test_the_playable_form_begins_with_its_index_and_is_mono_aac(render: Render) -> None:
    rendered = render(_speech_as("voice note"), "audio/ogg")

    (file,) = [file for file in rendered.files if file.name == "playable"]
    assert (file.path.name, file.mime_type, file.width) == (f"playable-{PLAYABLE.recipe}.m4a", "audio/mp4", None)
    content = file.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(file.path), format="mov") as container:
        (stream,) = container.streams.audio
        assert (stream.codec_context.name, stream.sample_rate, stream.layout.name) == ("aac", 48_000, "mono")
    assert len(content) < 3 * 60_000 / 8 + 3_000


def test_many_channels_become_two(render: Render) -> None:
    content = sounds.encoded(SPEECH, "ogg", "libopus", bit_rate=96_000, channels=6)

    rendered = render(content, "audio/ogg")

    with av.open(str(rendered.files[-1].path), format="mov") as container:
        assert container.streams.audio[0].layout.name == "stereo"


def test_a_sound_that_changes_its_channels_on_the_way_is_played_to_its_end(render: Render) -> None:
    other = sounds.encoded(sounds.tone(1.0), "ogg", "libopus", bit_rate=32_000, channels=2)

    rendered = render(_speech_as("voice note") + other, "audio/ogg")

    seconds = rendered.facts.duration_seconds
    assert seconds is not None
    assert seconds >= 3.0
    assert len(sounds.decoded(_playable(rendered), "mov")) / 8_000 == pytest.approx(seconds, abs=0.05)


def test_only_what_is_missing_is_made(render: Render) -> None:
    existing = {"waveform": WAVEFORM.recipe, "thumb": THUMB.recipe}

    rendered = render(_speech_as("voice note"), "audio/ogg", existing=existing)

    assert _names(rendered) == ["playable"]
    assert render(_speech_as("voice note"), "audio/ogg", existing={**existing, "playable": PLAYABLE.recipe}).files == ()


def test_a_full_disk_is_not_called_a_damaged_sound(monkeypatch: pytest.MonkeyPatch, render: Render) -> None:
    def full(*_: object) -> None:
        raise av.error.OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(m4a.M4a, "_encode", full)

    with pytest.raises(OSError, match="No space left") as raised:
        render(_speech_as("voice note"), "audio/ogg")

    assert raised.value.errno == errno.ENOSPC
    assert not isinstance(raised.value, av.FFmpegError)


# ---- long ones ------------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four seconds are long, and a tenth of a second is listened to at a time."""
    monkeypatch.setattr(audio, "PLAYABLE_SECONDS", 2.0)
    monkeypatch.setattr("shared.plan.PLAYABLE_SECONDS", 2.0)
    monkeypatch.setattr(listening, "_WHOLE_SAMPLES", 4 * 48_000)
    monkeypatch.setattr(listening, "_LISTEN_SECONDS", 0.2)
    monkeypatch.setattr(listening, "_SKIP_SECONDS", 0.4)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (lambda: sounds.voice_note(sounds.tone(20.0)), "audio/ogg"),
        (lambda: sounds.long_amr(20), "audio/amr"),
        (lambda: sounds.mp3(sounds.tone(20.0)), "audio/mpeg"),
        (lambda: sounds.m4a(sounds.tone(20.0)), "audio/mp4"),
    ],
    ids=["voice note", "amr", "mp3", "m4a"],
)
def test_of_a_long_sound_only_parts_are_heard(
    content: Callable[[], bytes], mime_type: str, monkeypatch: pytest.MonkeyPatch, render: Render
) -> None:
    heard: list[float] = []
    of = Loudness.of

    def counted(self: Loudness, frame: av.AudioFrame, moment_seconds: float) -> Any:
        heard.append(frame.samples / frame.sample_rate)
        return of(self, frame, moment_seconds)

    monkeypatch.setattr(Loudness, "of", counted)

    rendered = render(content(), mime_type)

    assert sum(heard) < 10
    assert rendered.facts.duration_seconds == pytest.approx(20.0, abs=0.1)
    peaks = _waveform(rendered)["peaks"]
    assert max(peaks[-10:]) > 20
    assert _names(rendered) == ["waveform", "thumb"]


@pytest.mark.usefixtures("impatient")
def test_an_encoding_that_turns_out_to_be_too_long_leaves_no_file(tmp_path: Path, render: Render) -> None:
    """A chain of two sounds says only how long the first is."""
    content = sounds.voice_note(sounds.tone(1.5)) + sounds.voice_note(sounds.tone(1.5, hertz=300))

    rendered = render(content, "audio/ogg")

    assert rendered.facts.duration_seconds == pytest.approx(3.0, abs=0.1)
    assert _names(rendered) == ["waveform", "thumb"]
    assert list((tmp_path / "out").glob("*.m4a")) == []


@pytest.mark.usefixtures("impatient")
def test_a_file_that_says_it_is_longer_than_it_is_gets_its_playable_form(render: Render) -> None:
    rendered = render(sounds.amr(sounds.tone(1.0)) + sounds.filler(100_000), "audio/amr")

    assert rendered.facts.duration_seconds == pytest.approx(1.0, abs=0.1)
    assert _names(rendered) == ["waveform", "thumb", "playable"]


@pytest.mark.usefixtures("impatient")
def test_a_sound_is_as_long_as_it_was_when_its_playable_form_exists(
    monkeypatch: pytest.MonkeyPatch, render: Render
) -> None:
    monkeypatch.setattr(audio, "PLAYABLE_SECONDS", 4.0)
    monkeypatch.setattr("shared.plan.PLAYABLE_SECONDS", 4.0)
    monkeypatch.setattr(listening, "_WHOLE_SAMPLES", 24_000)
    content = sounds.voice_note(sounds.tone(1.33)) * 3  # who skips the joints takes it for a little longer

    first = render(content, "audio/ogg")
    again = render(content, "audio/ogg", existing={PLAYABLE.name: PLAYABLE.recipe})

    assert _names(first) == ["waveform", "thumb", "playable"]
    assert again.facts == first.facts


def test_a_sound_without_end_is_drawn_as_far_as_it_was_heard(monkeypatch: pytest.MonkeyPatch, render: Render) -> None:
    monkeypatch.setattr(listening, "_MOST_PACKETS", 50)

    rendered = render(sounds.long_amr(20), "audio/amr")

    assert rendered.facts.duration_seconds is None
    assert _waveform(rendered)["durationSeconds"] is None
    assert _names(rendered) == ["waveform", "thumb"]


# ---- damaged ones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["voice note", "mp3", "adts", "amr", "flac", "wav", "m4a"])
def test_filler_behind_the_sound_does_not_lengthen_it(kind: str, render: Render) -> None:
    content, mime_type = _speech_as(kind), MIME_TYPES[kind]
    clean = render(content, mime_type).facts.duration_seconds

    filled = render(content + sounds.filler(1_000_000), mime_type)

    assert filled.facts.duration_seconds == pytest.approx(clean, abs=0.1)


@pytest.mark.parametrize("kind", ["voice note", "mp3", "adts", "amr", "flac", "wav"])
def test_of_a_cut_off_sound_the_rest_is_used(kind: str, render: Render) -> None:
    content = _speech_as(kind)

    rendered = render(content[: len(content) * 2 // 3], MIME_TYPES[kind])

    seconds = rendered.facts.duration_seconds
    assert seconds is not None
    assert 0.5 < seconds < 2.5
    assert max(_waveform(rendered)["peaks"]) == 100


def test_a_hole_in_a_sound_does_not_end_it(render: Render) -> None:
    content = _speech_as("mp3")
    middle = len(content) // 2

    rendered = render(content[:middle] + bytes(500) + content[middle + 500 :], "audio/mpeg")

    assert rendered.facts.duration_seconds == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (b"OggS" + bytes(200), "audio/ogg"),
        (sounds.filler(5_000), "audio/mpeg"),
        (b"#!AMR\n", "audio/amr"),
        (b"#!AMR\n" + b"\xff" * 500, "audio/amr"),
        (b"", "audio/aac"),
        (sounds.wav([]), "audio/wav"),
        (b"\x00\x00\x00\x14ftypM4A \x00\x00\x00\x00M4A " + bytes(5_000), "audio/mp4"),
        (sounds.wav_of_rate(1), "audio/wav"),
        (sounds.wav_of_rate(2_000_000_000), "audio/wav"),
        (sounds.wav_of_rate(48_000, channels=65_535), "audio/wav"),
    ],
    ids=["ogg", "mp3", "empty amr", "bad amr", "empty", "empty wav", "no index", "1 Hz", "2 GHz", "65 535 channels"],
)
def test_what_cannot_be_heard_at_all_is_unreadable(content: bytes, mime_type: str, render: Render) -> None:
    with pytest.raises(PreviewUnreadable, match=r"^This audio file .*\. The original can be downloaded\.$"):
        render(content, mime_type)


def test_sound_in_a_format_that_we_do_not_decode_says_so(render: Render) -> None:
    content = sounds.encoded(sounds.tone(0.5, rate=8_000), "wav", "adpcm_ima_wav", rate=8_000)

    with pytest.raises(PreviewUnreadable, match="recorded in a format") as caught:
        render(content, "audio/wav")

    assert caught.value.detail == "codec adpcm_ima_wav"


def test_a_film_without_sound_is_no_sound(render: Render) -> None:
    picture_only = _speech_as("m4a").replace(b"soun", b"vide")

    with pytest.raises(PreviewUnreadable, match="This audio file"):
        render(picture_only, "audio/mp4")


# ---- how ------------------------------------------------------------------------------------------------------------


def _container(mime_type: str) -> str:
    return {"audio/ogg": "ogg", "audio/mp4": "mov", "audio/amr": "amr"}[mime_type]


def _likeness(one: list[float], other: list[float]) -> float:
    """The correlation of two sounds, shifted against each other by up to 20 ms."""
    length = min(len(one), len(other)) - 160
    return max(_correlation(one[shift : shift + length], other[:length]) for shift in range(160))


def _correlation(one: list[float], other: list[float]) -> float:
    power = sum(a * a for a in one) * sum(b * b for b in other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / power**0.5 if power else 0.0
