"""`make chaos`: attachments by the thousand while everything is killed, cut, filled and refused, and then a ledger.

Exit code 1 when anything is unaccounted for or did not end as it had to.
"""

import argparse
import asyncio
import logging
import random
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from local_stack import StackError
from tests.chaos.actions import SIDES
from tests.chaos.plan import Plan, make_plan, shown
from tests.chaos.report import tables, write_json
from tests.chaos.run import Run

FOLDER = Path(".local/chaos")
_PLAIN_WIDTH = 160  # in a file or a pipe there is nothing to fit into
_SHOWN_SECONDS, _PLAIN_SECONDS = 0.5, 10.0


async def chaos(plan: Plan, console: Console) -> bool:
    """Carry out the plan, print the tables, write `chaos-report.json`; whether all is accounted for."""
    run = Run(plan, FOLDER)
    telling = asyncio.create_task(_tell(run, console))
    try:
        report = await run.carried_out(console.print)
    except BaseException:
        console.print(f"The logs of this run: {_kept(plan)}", style="red")
        raise
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    for table in tables(report):
        console.print(table)
    path = FOLDER / "chaos-report.json"
    write_json(report, path)
    if report.passed:
        console.print(f"Everything is accounted for. Report: {path}. The same again: {plan.again}", style="green")
        return True
    shutil.copy(path, kept := _kept(plan))
    told = f"NOT everything is as it has to be. Report and logs: {kept}. The same again: {plan.again}"
    console.print(told, style="bold red")
    return False


async def _tell(run: Run, console: Console) -> None:
    began = time.monotonic()

    def line() -> Text:
        return Text(f"{time.monotonic() - began:4.0f} s  {run.progress()}", no_wrap=True, overflow="ellipsis")

    if console.is_terminal:
        with Live(console=console, refresh_per_second=2, transient=True) as live:
            while True:
                live.update(line())
                await asyncio.sleep(_SHOWN_SECONDS)
    while True:
        await asyncio.sleep(_PLAIN_SECONDS)
        console.print(line())


def _kept(plan: Plan) -> Path:
    kept = FOLDER / "failed" / f"seed-{plan.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    shutil.copytree(FOLDER, kept, ignore=_all_but_logs)
    return kept


def _all_but_logs(folder: str, names: list[str]) -> set[str]:
    if Path(folder) == FOLDER:
        return set(names) - {"logs", *SIDES}
    return set()


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Break everything, lose nothing.")
    parser.add_argument("--count", type=int, default=5000, help="attachments to send")
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run, to repeat it")
    parser.add_argument("--plan", action="store_true", help="only show what would be done")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    console = Console()
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    plan = make_plan(seed=seed, count=arguments.count)
    if arguments.plan:
        for table in shown(plan):
            console.print(table)
        return 0
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # Meta does not mind who hangs up
    actions = sum(map(len, plan.lanes))
    console.print(f"Seed {seed}: {len(plan.attachments)} attachments, {actions} actions, {plan.seconds:.0f} s or more")
    try:
        return 0 if asyncio.run(chaos(plan, console)) else 1
    except KeyboardInterrupt:
        return 130
    except StackError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
