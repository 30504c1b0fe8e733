"""Every hostile file through the real sandbox: it ends in a picture or in one of our errors, and hurts nobody."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from previewer.render.job import MIB, Limits
from tests import images
from tests.hostile.case import Case
from tests.hostile.corpus import CORPUS
from tests.hostile.sandboxed import DEFECT, READY, MeasuringSandbox, Outcome, own_processes, rendered
from tests.hostile.seeds import TYPES, seed

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORKERS = 2
LIMITS = Limits(seconds=8)  # memory as in production; the time is shorter because some of them use all of it
MOST_SECONDS = 120  # for all; a quiet machine with two cores needs half of it


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sandbox() -> AsyncIterator[MeasuringSandbox]:
    sandbox = MeasuringSandbox(workers=WORKERS, limits=LIMITS)
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def endings(sandbox: MeasuringSandbox) -> Mapping[str, Outcome]:
    """How each file ended, by its name. Two more files wait than there are workers, so that none is ever idle."""
    turns = asyncio.Semaphore(WORKERS + 2)
    outcomes: dict[str, Outcome] = {}

    async def one(case: Case) -> None:
        async with turns:
            outcomes[case.name] = await rendered(sandbox, case.make(), case.mime_type)

    started = time.monotonic()
    await asyncio.gather(*(one(case) for case in CORPUS.values()))
    assert time.monotonic() - started < MOST_SECONDS
    return outcomes


async def test_every_hostile_file_ends_in_a_preview_or_in_one_of_our_errors(endings: Mapping[str, Outcome]) -> None:
    defects = {name: outcome.told for name, outcome in endings.items() if outcome.code == DEFECT}

    assert not defects, "\n\n".join(f"{name}\n{told}" for name, told in defects.items())
    assert endings.keys() == CORPUS.keys()


async def test_no_worker_takes_more_memory_than_it_may(
    sandbox: MeasuringSandbox, endings: Mapping[str, Outcome]
) -> None:
    assert len(endings) == len(CORPUS)
    assert 0 < sandbox.peak_bytes < LIMITS.memory_bytes


async def test_a_file_of_too_many_pixels_is_told_so_without_decoding_it(endings: Mapping[str, Outcome]) -> None:
    for kind in ("jpeg", "jpeg-65535-progressive", "png", "webp-canvas", "gif", "bmp", "tiff"):
        outcome = endings[f"bomb.{kind}" if "-" in kind else f"bomb.{kind}-65535"]
        assert outcome.code == "preview_unreadable"
        assert outcome.seconds < LIMITS.seconds


async def test_good_files_are_rendered_after_all_that(
    sandbox: MeasuringSandbox, endings: Mapping[str, Outcome]
) -> None:
    assert len(endings) == len(CORPUS)

    photo = await rendered(sandbox, images.jpeg(1600, 1200), "image/jpeg")
    others = {name: await rendered(sandbox, seed(name), mime_type) for name, mime_type in TYPES.items()}

    assert photo.code == READY
    assert {name for name, outcome in others.items() if outcome.code != READY} == set()


async def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = own_processes()
    names = ("bomb.png-65535", "bomb.pdf-form-in-itself", "bomb.mp4-counts", "small.image-jpeg-empty", "cut.mp4-3")
    sandbox = MeasuringSandbox(workers=WORKERS, limits=Limits(seconds=2, memory_bytes=256 * MIB))
    await sandbox.start()

    await asyncio.gather(*(rendered(sandbox, CORPUS[name].make(), CORPUS[name].mime_type) for name in names))
    await sandbox.close()

    assert own_processes() - before == set()
    assert is_empty(tmp_path)


def is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


async def test_the_corpus_is_the_same_at_each_run() -> None:
    for name in ("flipped.jpeg-8", "cut.mp4-3", "bomb.zip-overlapping", "bomb.voice-granule-most"):
        assert CORPUS[name].make() == CORPUS[name].make()
