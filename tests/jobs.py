"""What a worker is given, made for a test."""

from collections.abc import Mapping
from pathlib import Path

from previewer.render.job import Job, Limits


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
