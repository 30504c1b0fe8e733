"""What a worker is given and what it gives back, for tests."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from previewer.render.job import Job, Limits, Rendered

Sizes = dict[str, tuple[int | None, int | None]]


class Make(Protocol):
    """Renders these bytes, as the type of most of a file's tests or as another one."""

    def __call__(
        self,
        data: bytes,
        mime_type: str = ...,
        *,
        existing: Mapping[str, int] | None = None,
        limits: Limits | None = None,
    ) -> Rendered: ...


def maker(render: Callable[[Job], Rendered], folder: Path, usual_type: str) -> Make:
    """Renders into `folder`."""

    def make(
        data: bytes,
        mime_type: str = usual_type,
        *,
        existing: Mapping[str, int] | None = None,
        limits: Limits | None = None,
    ) -> Rendered:
        source = folder / "original"
        source.write_bytes(data)
        return render(job(source, folder, mime_type, existing=existing, limits=limits))

    return make


def sizes(rendered: Rendered) -> Sizes:
    """Of each rendition, by its name."""
    return {file.name: (file.width, file.height) for file in rendered.files}


def job(
    source: Path,
    out_dir: Path,
    mime_type: str,
    *,
    existing: Mapping[str, int] | None = None,
    limits: Limits | None = None,
) -> Job:
    """The job of rendering `source` into `out_dir`, as far as it is not `existing`."""
    size_bytes = source.stat().st_size if source.exists() else 0
    return Job(
        source=source,
        out_dir=out_dir,
        mime_type=mime_type,
        size_bytes=size_bytes,
        existing=existing or {},
        limits=limits or Limits(),
    )
