"""The corpus and the fuzzer would notice: what a broken sandbox does is called a defect, and can be made again."""

from pathlib import Path

import pytest
from rich.console import Console

from previewer.render.job import Job, Rendered
from previewer.sandbox import Sandbox
from shared.errors import PreviewCrashed
from shared.media import Facts
from tests.hostile.fuzz.__main__ import replay, saved, table_of
from tests.hostile.fuzz.campaign import Finding, Report
from tests.hostile.fuzz.strategies import Damaged
from tests.hostile.sandboxed import DEFECT, Outcome, rendered
from tests.hostile.seeds import seed
from tests.hostile.structure import parts, with_right_checksums


class Broken(Sandbox):
    """Raises, or answers and leaves files."""

    def __init__(self, *, raises: Exception | None = None, files: int = 0, facts: Facts | None = None) -> None:
        super().__init__(workers=1)
        self._raises = raises
        self._files = files
        self._facts = facts or Facts()

    async def render(self, job: Job) -> Rendered:
        if self._raises is not None:
            raise self._raises
        for number in range(self._files):
            (job.out_dir / f"{number}.webp").write_bytes(b"x")
        return Rendered(facts=self._facts)


@pytest.mark.parametrize(
    "broken",
    [
        Broken(raises=TypeError("no such thing")),
        Broken(raises=OSError(28, "No space left on device")),
        Broken(files=1),
        Broken(facts=Facts(label="two\nlines")),
        Broken(facts=Facts(label="x" * 1000)),
    ],
)
async def test_what_must_not_be_is_a_defect(broken: Sandbox) -> None:
    assert (await rendered(broken, b"text", "application/octet-stream")).code == DEFECT


async def test_a_missing_rendition_is_a_defect() -> None:
    assert (await rendered(Broken(), seed("jpeg"), "image/jpeg")).code == DEFECT


async def test_a_crash_is_what_the_sandbox_is_for() -> None:
    outcome = await rendered(Broken(raises=PreviewCrashed("It crashed.")), b"text", "application/octet-stream")

    assert outcome.code == "preview_crashed"


async def test_a_file_that_was_found_is_saved_and_can_be_rendered_again(tmp_path: Path) -> None:
    finding = Finding(file=Damaged(name="jpeg", data=seed("jpeg")), outcome=Outcome(code=DEFECT, told="TypeError"))
    report = Report(findings=[finding])
    report.outcomes["jpeg", DEFECT] += 1

    saved(report.findings, tmp_path)

    assert (tmp_path / finding.name).read_bytes() == seed("jpeg")
    assert report.defects == [finding]
    assert table_of(report).row_count == 2
    assert await replay([str(tmp_path / finding.name), "small.image-jpeg-empty"], Console(quiet=True))


@pytest.mark.parametrize(
    "name", ["jpeg", "png", "sticker", "mp4", "voice", "heic", "pdf", "zip", "gif", "tiff", "flac"]
)
def test_the_parts_of_a_file_are_found(name: str) -> None:
    whole = seed(name)

    found = parts(whole)

    assert len(found) > 1
    assert all(0 <= part.start < part.end <= len(whole) for part in found)


@pytest.mark.parametrize(("name", "at"), [("png", 20), ("voice", 40)])
def test_checksums_are_put_right(name: str, at: int) -> None:
    whole = seed(name)
    damaged = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]

    mended = with_right_checksums(damaged)

    assert with_right_checksums(whole) == whole
    assert mended != damaged
    assert len(mended) == len(whole)
