"""`make fuzz`: damaged files by the thousand through the sandbox that renders previews.

Exit code 1 when one found a defect of ours. A decoder that crashes, or takes too much time or memory, is what the
sandbox is for: such files are counted and saved, too.
"""

import argparse
import asyncio
import logging
import random
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from previewer.render.job import MIB
from tests.hostile.corpus import CORPUS
from tests.hostile.fuzz.campaign import LIMITS, Finding, Report, campaign
from tests.hostile.sandboxed import DEFECT, READY, MeasuringSandbox, rendered
from tests.hostile.seeds import TYPES

FOLDER = Path(".local/fuzz")
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
_REPLAY = ".venv/bin/python -m tests.hostile.fuzz"


async def fuzz(count: int, seed: int, console: Console) -> bool:
    """Try that many files, print the table, save what deserves a look; whether all is well."""
    started = time.monotonic()
    with Progress(*_COLUMNS, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("damaged files", total=count)

        def told(report: Report) -> None:
            progress.update(task, completed=report.count, description=f"damaged files, {len(report.defects)} defects")

        report = await campaign(count, seed=seed, told=told)
    seconds = time.monotonic() - started
    console.print(table_of(report))
    saved(report.findings, FOLDER)
    for finding in report.findings:
        style = "red" if finding.outcome.code == DEFECT else ""
        first = finding.outcome.told.partition("\n")[0]
        console.print(f"{finding.outcome.code}: {first}", style=style, markup=False, highlight=False)
        console.print(f"  {_REPLAY} {FOLDER / finding.name}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{report.count} files in {seconds:.0f} s, {len(report.defects)} defects; "
        f"a worker had at most {report.peak_bytes / MIB:.0f} MiB. The same again: make fuzz N={count} SEED={seed}"
    )
    if not report.is_well:
        console.print("After all that, the sandbox does not render a photo any more.", style="red")
    return report.is_well and not report.defects


def table_of(report: Report) -> Table:
    """By format and outcome."""
    codes = sorted({code for _, code in report.outcomes}, key=lambda code: (code != READY, code))
    table = Table("made of", *codes, box=SIMPLE_HEAD, title="How damaged files end")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in sorted({name for name, _ in report.outcomes}):
        table.add_row(name, *(str(report.outcomes[name, code] or "") for code in codes))
    table.add_section()
    table.add_row("all", *(str(sum(n for (_, c), n in report.outcomes.items() if c == code)) for code in codes))
    return table


def saved(findings: Iterable[Finding], folder: Path) -> None:
    """Each as a file of its own, to be replayed."""
    for finding in findings:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / finding.name).write_bytes(finding.file.data)


async def replay(wanted: Sequence[str], console: Console) -> bool:
    """Files that were saved, by path, or of the corpus, by name; whether none found a defect."""
    sandbox = MeasuringSandbox(workers=1, limits=LIMITS)
    await sandbox.start()
    well = True
    try:
        for each in wanted:
            data, mime_type = _wanted(each)
            outcome = await rendered(sandbox, data, mime_type)
            console.print(
                f"{each}: {outcome.code}, {outcome.seconds:.2f} s", outcome.told, markup=False, highlight=False
            )
            well = well and outcome.code != DEFECT
    finally:
        await sandbox.close()
    return well


def _wanted(each: str) -> tuple[bytes, str]:
    if (case := CORPUS.get(each)) is not None:
        return case.make(), case.mime_type
    path = Path(each)
    return path.read_bytes(), TYPES[path.name.partition("--")[0]]


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Damage good files and have them rendered.")
    parser.add_argument("files", nargs="*", help="saved files, or names of the corpus, to render once more")
    parser.add_argument("--count", type=int, default=20_000, help="how many files")
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run, to repeat it")
    arguments = parser.parse_args()
    console = Console()
    # what the sandbox logs of a defect is in the report
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        if arguments.files:
            return 0 if asyncio.run(replay(arguments.files, console)) else 1
        seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
        console.print(f"{arguments.count} damaged files, seed {seed}")
        return 0 if asyncio.run(fuzz(arguments.count, seed, console)) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
