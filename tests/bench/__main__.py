"""`make bench`: Attache measured beside what else would do the job, in one run on this machine.

`python -m tests.bench gateway previews pipeline` measures only what is named.

Nothing is asserted about time: it measures and tells. The exit code is 1 only when something could not be measured.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local_stack import StackError
from tests.bench import gateway_row, machine, node_peer, pipeline_rows, preview_rows, procfs
from tests.bench.figures import Figure
from tests.bench.processes import MeasurementFailed
from tests.bench.report import table, write_json
from tests.bench.world import new_world

_FOLDER = Path(".local/bench")
_PLAIN_WIDTH = 140  # in a file or a pipe there is nothing to fit into
_NO_NODE = "Node.js 20 or newer with npm is missing (Debian, Ubuntu: apt-get install nodejs npm): measured without it"
_GATEWAY, _PIPELINE, _PREVIEWS = "gateway", "pipeline", "previews"
_NO_PROCFS = "memory and CPU time are only measured on Linux"


async def bench(console: Console, parts: Set[str]) -> None:
    """Measure, print the table, write `bench.json`. Raises MeasurementFailed or StackError."""
    started_at, notes = datetime.now(UTC), []
    node = await node_peer.node_version()
    if node is None:
        notes.append(_NO_NODE)
    else:
        await node_peer.install()
    if not procfs.AVAILABLE:
        notes.append(_NO_PROCFS)
    figures: list[Figure] = []
    async with new_world(_FOLDER, console.print) as world:
        measured_on = await machine.describe(world, node=node)
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}", style="dim"),
        )
        with Progress(*columns, console=console) as progress:
            if _GATEWAY in parts:
                with _row(progress, gateway_row.ROW, gateway_row.steps(with_node=node is not None)) as step:
                    figures += await gateway_row.measure(world, with_node=node is not None, step=step)
            if _PREVIEWS in parts and procfs.AVAILABLE:
                with _row(progress, preview_rows.ROW, preview_rows.steps()) as step:
                    figures += await preview_rows.measure(world, with_node=node is not None, step=step)
            if _PREVIEWS in parts:
                with _row(progress, preview_rows.WORKERS, preview_rows.WORKER_STEPS) as step:
                    figures += await preview_rows.measure_workers(world, step=step)
            if _PIPELINE in parts:
                async with pipeline_rows.running_pipeline(world) as pipeline:
                    if procfs.AVAILABLE:
                        figures.append(preview_rows.measure_idle(world))
                    with _row(progress, pipeline_rows.END_TO_END, pipeline_rows.END_TO_END_STEPS) as step:
                        figures += await pipeline_rows.measure_end_to_end(pipeline, step=step)
                    if procfs.AVAILABLE:
                        with _row(progress, pipeline_rows.MEMORY, pipeline_rows.MEMORY_STEPS) as step:
                            figures += await pipeline_rows.measure_memory(pipeline, step=step)
    write_json(_FOLDER / "bench.json", figures, machine=measured_on, started_at=started_at, notes=notes)
    console.print(table(figures))
    for note in notes:
        console.print(note, style="yellow")
    console.print(f"Every round: {_FOLDER / 'bench.json'}. What the figures mean: docs/performance.md")


@contextmanager
def _row(progress: Progress, name: str, steps: int) -> Iterator[Callable[[str], None]]:
    bar = progress.add_task(name, total=steps, last="")
    yield lambda last: progress.update(bar, advance=1, last=last)


def main() -> int:
    """The exit code."""
    everything = (_GATEWAY, _PREVIEWS, _PIPELINE)
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure on this machine.")
    parser.add_argument("parts", nargs="*", choices=[*everything, []], help="all of them unless some are named")
    parts = set(parser.parse_args().parts) or set(everything)
    console = Console()
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    try:
        asyncio.run(bench(console, parts))
    except KeyboardInterrupt:
        return 130
    except (MeasurementFailed, StackError) as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
