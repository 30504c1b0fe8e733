"""What a worker says it made, and what the service believes of it: a decoder that was taken over says anything."""

import errno
import math
import os
import re
import shutil
import stat
import unicodedata
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from previewer.render.job import Job, Rendered, RenderedFile
from shared.media import Facts
from shared.model import Model

# what renditions are made of, by the ending of their file
MIME_TYPES = {"webp": "image/webp", "json": "application/json", "m4a": "audio/mp4"}

_MOST_CHARACTERS = 1000
_MOST = 10**12
_THUMBHASH = re.compile(r"[A-Za-z0-9+/]{1,100}={0,2}")
# control characters, what turns the reading direction, halves of characters
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


class Implausible(Exception):
    """No renderer of ours answers this."""


class _File(Model):
    name: str
    extension: str
    width: int | None = Field(default=None, ge=1, le=65535)
    height: int | None = Field(default=None, ge=1, le=65535)


class _Answer(Model):
    facts: Facts
    files: list[_File] = Field(max_length=16)


def told(rendered: Rendered) -> dict[str, Any]:
    """As JSON."""
    files = [
        _File(name=file.name, extension=file.path.suffix[1:], width=file.width, height=file.height)
        for file in rendered.files
    ]
    return _Answer(facts=rendered.facts, files=files).model_dump(mode="json")


def believed(answer: object, job: Job, *, made: Path) -> Rendered:
    """What the worker was asked for and nothing else, copied from `made` to the job's folder. Raises `Implausible`."""
    try:
        said = _Answer.model_validate(answer)
    except ValidationError as error:
        raise Implausible(f"not an answer: {error.errors(include_input=False)[0]['msg']}") from None
    if not (_is_thumbhash(said.facts.thumbhash) and all(map(_is_sane, said.facts.model_dump().values()))):
        raise Implausible("facts out of all bounds")
    specs = {spec.name: spec for spec in job.missing(said.facts)}
    files = []
    for file in said.files:
        spec = specs.pop(file.name, None)
        mime_type = MIME_TYPES.get(file.extension)
        if spec is None or mime_type is None:
            raise Implausible("a rendition that nobody asked for")
        path = job.out_dir / spec.file_name(file.extension)
        copy(made / path.name, path, most_bytes=job.limits.output_bytes)
        files.append(
            RenderedFile(
                name=spec.name, recipe=spec.recipe, path=path, mime_type=mime_type, width=file.width, height=file.height
            )
        )
    return Rendered(facts=said.facts, files=tuple(files))


def copy(made: Path, path: Path, *, most_bytes: int) -> None:
    """A plain file of the worker's; a copy, as the worker may hold open what it wrote. Raises `Implausible`."""
    try:
        # neither through a link, nor waiting for somebody to write into a pipe
        source = os.open(made, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        raise Implausible("a rendition that is not there") from None
    try:
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > most_bytes:
            raise Implausible("a rendition that is no plain file")
        with os.fdopen(source, "rb", closefd=False) as file, path.open("wb") as kept:
            shutil.copyfileobj(file, kept)
    finally:
        os.close(source)


def _is_thumbhash(value: str | None) -> bool:
    return value is None or _THUMBHASH.fullmatch(value) is not None


def _is_sane(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _MOST_CHARACTERS and not any(unicodedata.category(each) in _INVISIBLE for each in value)
    if isinstance(value, int | float):
        return math.isfinite(value) and 0 <= value <= _MOST
    return value is None
