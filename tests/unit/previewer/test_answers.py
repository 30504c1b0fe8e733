"""A decoder that was taken over answers what it likes: what of that the service believes."""

import os
from pathlib import Path
from typing import Any

import pytest

from previewer.desk import Desk
from previewer.failures import RendererDefect, of_answer
from previewer.render.answers import Implausible, believed, told
from previewer.render.job import Job, Limits, Rendered, RenderedFile
from shared.errors import PreviewCrashed, PreviewOutOfMemory, PreviewUnreadable
from shared.media import Facts
from tests.jobs import job

FILES = [
    {"name": "thumb", "extension": "webp", "width": 4, "height": 3},
    {"name": "preview", "extension": "webp", "width": 4, "height": 3},
]


@pytest.fixture
def photo_job(tmp_path: Path) -> Job:
    """What was asked for is there."""
    (out := tmp_path / "out").mkdir()
    (out / "thumb-1.webp").write_bytes(b"thumb")
    (out / "preview-1.webp").write_bytes(b"preview")
    (kept := tmp_path / "kept").mkdir()
    return job(tmp_path / "original", kept, "image/jpeg", limits=Limits(output_bytes=100))


def test_what_a_renderer_made_arrives_as_it_was(photo_job: Job, tmp_path: Path) -> None:
    made = tmp_path / "out"
    files = tuple(
        RenderedFile(name=name, recipe=1, path=made / f"{name}-1.webp", mime_type="image/webp", width=4, height=3)
        for name in ("thumb", "preview")
    )
    facts = Facts(width=4, height=3, duration_seconds=1.5, label="Bild", thumbhash="3OcRJYB4d3h/iIeHeEh3eIhw+j2w")

    rendered = believed(told(Rendered(facts=facts, files=files)), photo_job, made=made)

    assert rendered.facts == facts
    assert [(file.path, file.path.read_bytes()) for file in rendered.files] == [
        (photo_job.out_dir / "thumb-1.webp", b"thumb"),
        (photo_job.out_dir / "preview-1.webp", b"preview"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "made",
        {},
        {"facts": {}, "files": {}},
        {"facts": {"width": "wide"}, "files": []},
        {"facts": {"label": "x" * 1001}, "files": []},
        {"facts": {"label": "two\nlines"}, "files": []},
        {"facts": {"label": "\u202efdp.exe"}, "files": []},
        {"facts": {"label": "\ud800"}, "files": []},
        {"facts": {"thumbhash": "<script>"}, "files": []},
        {"facts": {"width": 10**30}, "files": []},
        {"facts": {"width": -1}, "files": []},
        {"facts": {"durationSeconds": float("inf")}, "files": []},
        {"facts": {}, "files": FILES * 20},
        {"facts": {}, "files": [*FILES, FILES[0]]},
        {"facts": {}, "files": [{**FILES[0], "name": "poster"}]},
        {"facts": {}, "files": [{**FILES[0], "name": "../thumb"}]},
        {"facts": {}, "files": [{**FILES[0], "extension": "html"}]},
        {"facts": {}, "files": [{**FILES[0], "extension": "json"}]},
        {"facts": {}, "files": [{**FILES[0], "width": 0}]},
        {"facts": {}, "files": [{**FILES[0], "width": 10**9}]},
    ],
    ids=ascii,
)
def test_an_answer_that_no_renderer_gives_is_not_believed(photo_job: Job, tmp_path: Path, answer: Any) -> None:
    with pytest.raises(Implausible):
        believed(answer, photo_job, made=tmp_path / "out")


def test_a_rendition_must_be_a_plain_file_of_its_own(photo_job: Job, tmp_path: Path) -> None:
    (secret := tmp_path / "secret").write_bytes(b"hunter2")
    thumb = tmp_path / "out" / "thumb-1.webp"

    def is_believed() -> bool:
        try:
            believed({"facts": {}, "files": FILES}, photo_job, made=tmp_path / "out")
        except Implausible:
            return False
        return True

    assert is_believed()
    for replace in (
        lambda: thumb.symlink_to(secret),
        lambda: thumb.hardlink_to(secret),
        lambda: thumb.write_bytes(b"x" * 101),
        thumb.mkdir,
        lambda: os.mkfifo(thumb),
        lambda: None,
    ):
        thumb.unlink()
        replace()
        assert not is_believed()
        if thumb.is_dir() and not thumb.is_symlink():
            thumb.rmdir()
        thumb.touch()


def test_an_original_comes_without_being_copied(tmp_path: Path) -> None:
    (source := tmp_path / "original").write_bytes(b"original")
    (out := tmp_path / "made").mkdir()
    (folder := tmp_path / "desk").mkdir()
    desk = Desk(folder)
    desk.set_up()

    laid = desk.lay(job(source, out, "image/jpeg"))

    assert laid.source.samefile(source)
    for name in ("thumb-1.webp", "preview-1.webp"):
        (laid.out_dir / name).write_bytes(b"made")
    rendered = desk.collect({"facts": {}, "files": FILES}, job(source, out, "image/jpeg"))
    assert [file.path for file in rendered.files] == [out / "thumb-1.webp", out / "preview-1.webp"]
    assert [*desk.readable.iterdir(), *desk.writable.iterdir()] == []
    assert source.read_bytes() == b"original"


def test_files_that_nobody_asked_for_are_not_kept_and_many_are_not_believed(tmp_path: Path) -> None:
    (source := tmp_path / "original").write_bytes(b"original")
    (out := tmp_path / "made").mkdir()
    (folder := tmp_path / "desk").mkdir()
    desk = Desk(folder)
    desk.set_up()
    the_job = job(source, out, "image/jpeg")
    laid = desk.lay(the_job)
    for name in ("one", "-rf", "x" * 255):
        (laid.out_dir / name).write_bytes(b"left")

    desk.collect({"facts": {}, "files": []}, the_job)

    assert [*out.iterdir(), *desk.readable.iterdir(), *desk.writable.iterdir()] == []
    desk.lay(the_job)
    for number in range(17):
        (laid.out_dir / str(number)).touch()
    with pytest.raises(Implausible):
        desk.collect({"facts": {}, "files": []}, the_job)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"failed": "memory"}, PreviewOutOfMemory),
        ({"failed": "preview_unreadable", "message": "A\nB", "detail": "c"}, PreviewUnreadable),
        ({"failed": "system", "errno": 28, "message": "No space left on device"}, OSError),
        ({"failed": "system", "errno": 1, "message": "Operation not permitted"}, PreviewCrashed),
        ({"failed": "system", "errno": 27, "message": "File too large"}, PreviewUnreadable),
        ({"failed": "defect", "kind": "KeyError", "trace": "in render"}, RendererDefect),
        ({"failed": "provider_auth", "message": "m", "detail": "d"}, PreviewCrashed),
        ({"failed": "memory?"}, PreviewCrashed),
        ({"failed": "preview_unreadable", "message": 1}, PreviewCrashed),
        ({}, PreviewCrashed),
    ],
    ids=str,
)
def test_a_failure_is_one_of_those_that_there_are(answer: dict[str, Any], kind: type[Exception]) -> None:
    error = of_answer(answer, Limits())

    assert type(error) is kind
    assert str(error).isprintable()


def test_the_trace_of_a_defect_cannot_break_the_log() -> None:
    error = of_answer({"failed": "defect", "kind": "K", "trace": "a\n\x1b[2J\ud800" * 10_000}, Limits())

    (trace,) = error.__notes__
    assert trace.isprintable()
    assert len(trace) == 2000
