from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from previewer.render.containers import DEMUXERS, can_be_decoded, opened
from previewer.render.job import Job, Limits
from shared.errors import PreviewUnreadable
from shared.plan import RENDERERS, Renderer
from tests import films, images
from tests.jobs import job


def of(data: bytes, folder: Path, mime_type: str = "video/mp4", limits: Limits | None = None) -> Job:
    source = folder / "original"
    source.write_bytes(data)
    return job(source, folder, mime_type, limits=limits)


def threads() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("Threads:")[1].split()[0])


def test_every_film_and_sound_has_its_demuxer() -> None:
    moving = {mime for mime, renderer in RENDERERS.items() if renderer in (Renderer.VIDEO, Renderer.AUDIO)}

    assert set(DEMUXERS) == moving


@pytest.mark.parametrize(
    ("make", "mime_type"),
    [
        (partial(films.film, sound="aac"), "video/mp4"),
        (partial(films.film, container="mov"), "video/quicktime"),
        (partial(films.film, container="webm", codec="libvpx"), "video/webm"),
        (partial(films.film, container="matroska"), "video/x-matroska"),
        (partial(films.sound_only, "mp4"), "audio/mp4"),
        (partial(films.sound_only, "ogg", "libopus"), "audio/ogg"),
        (partial(films.sound_only, "mp3", "libmp3lame"), "audio/mpeg"),
        (partial(films.sound_only, "adts", "aac"), "audio/aac"),
        (partial(films.sound_only, "amr", "libopencore_amrnb"), "audio/amr"),
        (partial(films.sound_only, "flac", "flac"), "audio/flac"),
        (partial(films.sound_only, "wav", "pcm_s16le"), "audio/wav"),
    ],
    ids=["mp4", "mov", "webm", "mkv", "m4a", "ogg", "mp3", "aac", "amr", "flac", "wav"],
)
def test_a_file_opens_as_what_it_was_sniffed_as(make: Callable[[], bytes], mime_type: str, tmp_path: Path) -> None:
    with opened(of(make(), tmp_path, mime_type)) as container:
        assert all(map(can_be_decoded, container.streams))
        frames = sum(1 for packet in container.demux() for _ in packet.decode())

    assert frames > 0


def test_a_decoder_runs_in_the_thread_it_is_called_in(tmp_path: Path) -> None:
    data = films.film(films.scene(20, 640, 480))
    before = threads()

    with opened(of(data, tmp_path)) as container:
        for _ in container.decode(video=0):
            assert threads() == before


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0\0\x18ftypmp42", b"\0\0\0\x18ftypmp42" + bytes(200), films.film()[:600], images.jpeg(64, 64)],
    ids=["empty", "short", "zeros", "cut", "other"],
)
@pytest.mark.parametrize("mime_type", sorted(DEMUXERS))
def test_nothing_comes_out_of_bytes_that_are_something_else(data: bytes, mime_type: str, tmp_path: Path) -> None:
    try:
        with opened(of(data, tmp_path, mime_type)) as container:
            decoded = sum(1 for packet in container.demux() for _ in packet.decode())
    except PreviewUnreadable:
        decoded = 0

    assert decoded == 0


def test_a_decoder_that_is_not_listed_does_not_open(tmp_path: Path) -> None:
    data = films.film(container="matroska", codec="mpeg2video")

    with opened(of(data, tmp_path, "video/x-matroska")) as container:
        assert not can_be_decoded(container.streams[0])
    with pytest.raises(PreviewUnreadable):  # noqa: SIM117  what is raised inside, too
        with opened(of(data, tmp_path, "video/x-matroska")) as container:
            next(container.decode(video=0))


def test_a_picture_above_the_limit_is_not_decoded(tmp_path: Path) -> None:
    with pytest.raises(PreviewUnreadable):  # noqa: SIM117  what is raised inside, too
        with opened(of(films.film(), tmp_path, limits=Limits(pixels=160 * 120 - 1))) as container:
            next(container.decode(video=0))


def test_a_film_cannot_make_us_read_another_file(tmp_path: Path) -> None:
    other = tmp_path / "other.mov"
    other.write_bytes(films.film(films.plain((255, 255, 255)), container="mov"))
    own = films.film(films.plain((255, 0, 0)), container="mov")

    with opened(of(films.referring(own, str(other)), tmp_path, "video/quicktime")) as container:
        shown = next(container.decode(video=0)).reformat(format="rgb24", threads=1)

    assert bytes(shown.planes[0])[1] < 100


def test_our_own_disk_is_not_the_fault_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), opened(job(tmp_path / "gone", tmp_path, "video/mp4")):
        pass


def test_ffmpeg_says_nothing_on_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PreviewUnreadable), opened(of(b"\0\0\0\x18ftypmp42" + bytes(200), tmp_path)):
        pass

    assert capfd.readouterr() == ("", "")
