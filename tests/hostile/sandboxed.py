"""How hostile files end in the real sandbox, and what their workers took."""

import os
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from previewer.render.job import Job, Limits, Rendered
from previewer.sandbox import Sandbox
from previewer.worker_process import WorkerProcess
from shared.errors import PreviewError
from shared.plan import plan

READY = "ready"
DEFECT = "defect"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`ready`, the code of the error that the previewer would tell, or `defect`; what there is to say of it; how long.

    A defect is any other exception, and an answer that is not what the plan says.
    """

    code: str
    told: str = ""
    seconds: float = 0.0


class MeasuringSandbox(Sandbox):
    """The sandbox of the product, which also remembers how much memory a worker had at most."""

    def __init__(self, *, workers: int, limits: Limits | None = None) -> None:
        super().__init__(workers=workers, limits=limits)
        self.peak_bytes = 0

    async def _ask(self, worker: WorkerProcess, function: Callable[..., object], *args: object) -> Any:
        try:
            return await super()._ask(worker, function, *args)
        finally:
            self.peak_bytes = max(self.peak_bytes, _peak_bytes(worker.process_id))


def _peak_bytes(process_id: int | None) -> int:
    """What a process had at most so far; 0 when it is gone."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    told: Mapping[str, str] = dict(line.split(":", 1) for line in status.splitlines())
    return int(told.get("VmHWM", "0 kB").split()[0]) * 1024


async def rendered(sandbox: Sandbox, data: bytes, mime_type: str) -> Outcome:
    """Have the file rendered as the previewer does, and look at what came out."""
    with tempfile.TemporaryDirectory(prefix="attache-hostile-") as name:
        job = _job(Path(name), data, mime_type)
        started = time.monotonic()
        try:
            result = await sandbox.render(job)
        except PreviewError as error:
            code, told = error.code.value, f"{error.message} [{error.detail}]"
        except Exception as error:  # whatever it is, it is what we are looking for
            code, told = DEFECT, f"{type(error).__name__}: {error}\n{''.join(traceback.format_exception(error))}"
        else:
            complaint = _complaint(job, result)
            code, told = (DEFECT, complaint) if complaint else (READY, result.facts.label or "")
        return Outcome(code=code, told=told, seconds=time.monotonic() - started)


def _job(folder: Path, data: bytes, mime_type: str) -> Job:
    source, out_dir = folder / "original", folder / "out"
    source.write_bytes(data)
    out_dir.mkdir()
    return Job(source=source, out_dir=out_dir, mime_type=mime_type, size_bytes=len(data))


def _complaint(job: Job, result: Rendered) -> str:
    """What is wrong with the answer; empty when nothing is."""
    listed, there = {file.path for file in result.files}, set(job.out_dir.iterdir())
    if listed != there:
        return f"files on disk and files told of differ: {sorted(path.name for path in listed ^ there)}"
    names = [file.name for file in result.files]
    if sorted(names) != sorted(spec.name for spec in plan(job.mime_type, job.size_bytes, result.facts)):
        return f"made are {names}, which is not what the plan says for {result.facts}"
    label = result.facts.label or ""
    if not all(character.isprintable() for character in label) or len(label) > _LONGEST_LABEL:
        return f"a label that people cannot read: {label!r}"
    return "".join(
        f"{file.path.name} is {file.size_bytes} bytes; "
        for file in result.files
        if not 0 < file.size_bytes <= job.limits.output_bytes
    )


_LONGEST_LABEL = 200


def own_processes() -> set[int]:
    """The processes that this one has started, in any generation."""
    found, look = set[int](), [os.getpid()]
    while look:
        below = _children(look.pop()) - found
        found |= below
        look.extend(below)
    return found


def _children(process_id: int) -> set[int]:
    try:
        tasks = list(Path(f"/proc/{process_id}/task").iterdir())
        return {int(child) for task in tasks for child in (task / "children").read_text(encoding="ascii").split()}
    except FileNotFoundError:  # it has ended
        return set()
