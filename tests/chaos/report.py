"""A run as a table for people and as `chaos-report.json` for machines."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tests.chaos.ledger import Ledger
from tests.chaos.plan import Plan

K = TypeVar("K")

_PROBLEMS_SHOWN = 40


@dataclass(kw_only=True)
class Report:
    """Everything that a run has to say. `seconds` by phase."""

    plan: Plan
    disk: str
    ledger: Ledger
    settled: bool
    seconds: dict[str, float]
    answers: Counter[int]
    struck: Counter[str]
    faults: Counter[str]
    retried: Counter[str]
    commands: Counter[str]
    attempts: Counter[int]
    downloads: int
    dead_letters: int
    surprises: Counter[str] = field(default_factory=Counter)

    @property
    def passed(self) -> bool:
        return self.settled and not self.ledger.problems


def tables(report: Report) -> Iterator[Table]:
    """For people."""
    yield _accounts(report)
    yield _counted("What was done to it", "times", Counter(dict(report.struck)))
    yield _counted("What Meta did wrong", "requests", report.faults)
    if report.surprises:
        yield _counted("Errors that services did not expect", "lines", report.surprises)
    if report.ledger.problems:
        yield _problems(report)


def write_json(report: Report, path: Path) -> None:
    """All of it; the plan is remade from its seed."""
    plan, ledger = report.plan, report.ledger
    content: dict[str, Any] = {
        "passed": report.passed,
        "seed": plan.seed,
        "attachments": len(plan.attachments),
        "again": plan.again,
        "disk": report.disk,
        "settled": report.settled,
        "seconds": {phase: round(seconds, 1) for phase, seconds in report.seconds.items()},
        "accepted": ledger.accepted,
        "unaccounted": ledger.unaccounted,
        "accounts": dict(ledger.accounts),
        "webhooks": len(plan.posts),
        "duplicates": plan.duplicates,
        "answers": {str(status): count for status, count in report.answers.items()},
        "struck": dict(report.struck),
        "faults": dict(report.faults),
        "retriedByHand": dict(report.retried),
        "commands": dict(report.commands),
        "attempts": {str(number): count for number, count in sorted(report.attempts.items())},
        "downloads": report.downloads,
        "deadLetters": report.dead_letters,
        "surprises": dict(report.surprises),
        "problems": [asdict(problem) for problem in ledger.problems],
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _accounts(report: Report) -> Table:
    ledger, plan = report.ledger, report.plan
    table = Table(title=f"Ledger of seed {plan.seed}", box=SIMPLE_HEAD, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("accepted", str(ledger.accepted))
    for account, count in sorted(ledger.accounts.items()):
        table.add_row(f"  {account}", str(count))
    table.add_row("unaccounted", str(ledger.unaccounted), style="bold red" if ledger.unaccounted else "bold green")
    table.add_section()
    table.add_row("webhooks", str(len(plan.posts)))
    table.add_row("their answers", _listed(report.answers.most_common(), lambda status: str(status or "none")))
    table.add_row("attachments announced again", str(plan.duplicates))
    table.add_row("attempts that the last round took", _listed(sorted(report.attempts.items()), str))
    table.add_row("retried by a person", _listed(report.retried.items(), str) or "none")
    table.add_row("downloads", str(report.downloads))
    table.add_row("dead letters left", str(report.dead_letters))
    table.add_row("disk", report.disk)
    table.add_row("seconds", ", ".join(f"{phase} {seconds:.0f}" for phase, seconds in report.seconds.items()))
    return table


def _listed(counts: Iterable[tuple[K, int]], name: Callable[[K], str]) -> str:
    return ", ".join(f"{count} x {name(key)}" for key, count in counts)


def _counted(title: str, unit: str, counts: Counter[str]) -> Table:
    table = Table("", unit, title=title, box=SIMPLE_HEAD)
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(name, str(count))
    return table


def _problems(report: Report) -> Table:
    problems = report.ledger.problems
    table = Table("what", "id", "seen", title=f"{len(problems)} offences", box=SIMPLE_HEAD, style="red")
    for problem in problems[:_PROBLEMS_SHOWN]:
        table.add_row(problem.what, problem.id, problem.seen)
    if len(problems) > _PROBLEMS_SHOWN:
        table.add_row(f"and {len(problems) - _PROBLEMS_SHOWN} more, in the JSON report", "", "")
    return table
