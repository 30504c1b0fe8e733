from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from previewer.sandbox import Sandbox
from shared.errors import PreviewUnreadable
from tests import films
from tests.jobs import job

pytestmark = pytest.mark.asyncio(loop_scope="module")

HLG = (9, 18, 9)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=1)
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest.mark.parametrize(
    ("film", "mime_type"),
    [
        (partial(films.film, sound="aac"), "video/mp4"),
        (partial(films.film, codec="libx265"), "video/mp4"),
        (partial(films.film, codec="libx265", pixels="yuv420p10le", hdr=HLG), "video/quicktime"),
        (partial(films.film, codec="libsvtav1"), "video/mp4"),
        (partial(films.film, codec="mpeg4"), "video/mp4"),
        (partial(films.film, films.scene(5, 176, 144), container="3gp", codec="h263"), "video/3gpp"),
        (partial(films.film, container="webm", codec="libvpx"), "video/webm"),
        (partial(films.film, container="webm", codec="libvpx-vp9"), "video/webm"),
        (partial(films.film, films.plain(count=30), container="matroska"), "video/x-matroska"),
    ],
    ids=["h264", "hevc", "hevc-hdr", "av1", "mpeg4", "h263", "vp8", "vp9", "black"],
)
async def test_every_decoder_works_in_a_confined_process(
    sandbox: Sandbox, film: Callable[[], bytes], mime_type: str, tmp_path: Path
) -> None:
    source, out_dir = tmp_path / "original", tmp_path / "out"
    source.write_bytes(film())
    out_dir.mkdir()

    rendered = await sandbox.render(job(source, out_dir, mime_type))

    assert [file.name for file in rendered.files] == ["poster", "thumb"]


async def test_a_broken_film_is_unreadable_and_not_a_crash(sandbox: Sandbox, tmp_path: Path) -> None:
    source, out_dir = tmp_path / "original", tmp_path / "out"
    source.write_bytes(films.without_index(films.film()))
    out_dir.mkdir()

    with pytest.raises(PreviewUnreadable, match="This video is damaged or cut off"):
        await sandbox.render(job(source, out_dir, "video/mp4"))
