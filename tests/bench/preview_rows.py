"""Previews: CPU time for each beside sharp, how far a second worker helps, and what an idle previewer holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.bench import painters, procfs
from tests.bench.figures import ATTACHE, Figure
from tests.bench.painters import Painter
from tests.bench.pictures import Original, originals
from tests.bench.processes import MeasurementFailed
from tests.bench.similarity import ssim
from tests.bench.world import World

ROW, WORKERS, IDLE = "previews", "preview workers", "previewer"
SHARP, SHARP_QUICK = "sharp", "sharp, effort 0"
_DEFAULT_EFFORT, _OUR_EFFORT = 4, 0
_PREVIEW, _THUMB = "preview", "thumb"
_ROUNDS, _WORKER_ROUNDS = 5, 5
_WARM_UP = 3
_ROUND_PIXELS = 24_000_000  # of originals in a round of one candidate, but never fewer than so many pictures
_FEWEST, _MOST = 10, 40
_TOGETHER = 40
_NOTHINGS = 300
IDLE_LIMIT_MB = 150.0

Step = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Made:
    """One picture that was made, beside the original scaled to its size."""

    size: tuple[int, int]
    size_bytes: int
    ssim: float

    def __str__(self) -> str:
        return f"{self.size[0]} x {self.size[1]} {self.size_bytes / 1000:.1f} kB SSIM {self.ssim:.4f}"


async def measure(world: World, *, with_node: bool, step: Step) -> list[Figure]:
    """CPU time of the same pictures, another candidate first in each round. Nothing outside of Linux."""
    folder = world.data / "previews"
    folder.mkdir(exist_ok=True)
    figures: list[Figure] = []
    async with AsyncExitStack() as running:
        candidates = [await running.enter_async_context(painters.attache(ATTACHE, workers=1, folder=folder))]
        if with_node:
            for name, effort in ((SHARP, _DEFAULT_EFFORT), (SHARP_QUICK, _OUR_EFFORT)):
                candidates.append(await running.enter_async_context(painters.sharp(name, effort=effort)))
        for original in originals():
            figures += await _compared(original, candidates, folder, step)
        figures.append(await _nothing(candidates[0]))
        step("nothing to do")
    return figures


def steps() -> int:
    """How often `measure` calls `step`."""
    return len(originals()) * _ROUNDS + 1


async def measure_workers(world: World, *, step: Step) -> list[Figure]:
    """Previews a second of one worker and of two, in turns."""
    folder = world.data / "previews"
    folder.mkdir(exist_ok=True)
    original = originals()[0]
    order = _order(original, ATTACHE, folder)
    rates: dict[int, list[float]] = {1: [], 2: []}
    async with AsyncExitStack() as running:
        teams = {
            count: await running.enter_async_context(painters.attache(ATTACHE, workers=count, folder=folder))
            for count in rates
        }
        for number in range(1 + _WORKER_ROUNDS):
            for count, team in teams.items() if number % 2 else reversed(teams.items()):
                answer = await team.order(order | {"together": _TOGETHER})
                if number:  # the first round warms up
                    rates[count].append(_TOGETHER / answer["seconds"])
            if number:
                step(f"{rates[1][-1]:.1f}/s, {rates[2][-1]:.1f}/s")
    gains = tuple(two / one for one, two in zip(rates[1], rates[2], strict=True))
    return [
        Figure(row=WORKERS, name=f"{original.name}, one worker", unit="1/s", rounds=tuple(rates[1])),
        Figure(row=WORKERS, name=f"{original.name}, two workers", unit="1/s", rounds=tuple(rates[2])),
        Figure(row=WORKERS, name="two ÷ one", unit="x", rounds=gains, note="wanted: at least 1.8 on two free cores"),
    ]


WORKER_STEPS = _WORKER_ROUNDS


def measure_idle(world: World) -> Figure:
    """What the processes of a running previewer hold, shared pages counted once."""
    held = procfs.proportional_bytes(world.pid_of("previewer")) / 1e6
    return Figure(row=IDLE, name="memory, idle, in all", unit="MB", rounds=(held,), limit=IDLE_LIMIT_MB)


async def _compared(original: Original, candidates: Sequence[Painter], folder: Path, step: Step) -> list[Figure]:
    (folder / original.file_name).write_bytes(original.data)
    orders = {one.name: _order(original, one.name, folder) for one in candidates}
    for one in candidates:
        for _ in range(_WARM_UP):
            await one.order(orders[one.name])
    count = max(_FEWEST, min(_MOST, _ROUND_PIXELS // original.pixels))
    used: dict[str, list[float]] = {one.name: [] for one in candidates}
    for number in range(_ROUNDS):
        at = number % len(candidates)
        for one in (*candidates[at:], *candidates[:at]):
            before = one.cpu_seconds()
            for _ in range(count):
                await one.order(orders[one.name])
            used[one.name].append((one.cpu_seconds() - before) / count)
        step(f"{original.name}: " + ", ".join(f"{each[-1] * 1000:.0f} ms" for each in used.values()))
    made = {one.name: _made(orders[one.name]) for one in candidates}
    return list(_figures(original, used, made))


def _figures(
    original: Original, used: Mapping[str, Sequence[float]], made: Mapping[str, Mapping[str, Made]]
) -> Iterator[Figure]:
    for name, rounds in used.items():
        if {kind: each.size for kind, each in made[name].items()} != {
            kind: each.size for kind, each in made[ATTACHE].items()
        }:
            msg = f"the pictures of {name} and {ATTACHE} are not of one size: {made}"
            raise MeasurementFailed(msg)
        yield Figure(
            row=ROW,
            name=f"CPU, {original.name}",
            unit="ms",
            subject=name,
            rounds=tuple(each * 1000 for each in rounds),
            note="; ".join(map(str, made[name].values())),
        )


def _made(order: Mapping[str, Any]) -> dict[str, Made]:
    with Image.open(order["source"]) as source:
        whole = source.convert("RGBA" if source.has_transparency_data else "RGB")
    made = {}
    for kind in (_PREVIEW, _THUMB):
        path = Path(order[f"{kind}Path"])
        with Image.open(path) as picture:
            likeness = ssim(picture, whole.resize(picture.size, Image.Resampling.LANCZOS))
            made[kind] = Made(size=picture.size, size_bytes=path.stat().st_size, ssim=likeness)
    return made


async def _nothing(one: Painter) -> Figure:
    """What a file costs before anything is done with it: the way to a worker and back."""
    await one.order({"nothing": _NOTHINGS})
    rounds = []
    for _ in range(_ROUNDS):
        before = one.cpu_seconds()
        await one.order({"nothing": _NOTHINGS})
        rounds.append((one.cpu_seconds() - before) / _NOTHINGS * 1000)
    note = "the way to a worker and back; none is started for it"
    return Figure(row=ROW, name="CPU, nothing to do", unit="ms", rounds=tuple(rounds), note=note)


def _order(original: Original, name: str, folder: Path) -> dict[str, Any]:
    (folder / original.file_name).write_bytes(original.data)
    stem = f"{name.replace(', ', '-').replace(' ', '-')}-{original.file_name}"
    return {
        "source": str((folder / original.file_name).absolute()),
        "mimeType": original.mime_type,
        "sizeBytes": len(original.data),
        "previewPath": str((folder / f"{stem}-{_PREVIEW}.webp").absolute()),
        "thumbPath": str((folder / f"{stem}-{_THUMB}.webp").absolute()),
    }
