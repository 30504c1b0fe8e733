"""What the doctor found: a table for people, JSON for machines, the same words in both."""

import json
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.doctor.check import Examined, Verdict

_MARKS = {
    Verdict.OK: ("✓", "green"),
    Verdict.SKIPPED: ("-", "dim"),
    Verdict.WARNING: ("!", "yellow"),
    Verdict.WRONG: ("✗", "red"),
}


def as_table(found: Sequence[Examined]) -> None:
    """Print it: one row for each thing that was seen, what to do below it, and a sentence at the end."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in found:
        for answer in each.answers:
            mark, color = _MARKS[answer.verdict]
            # as texts: what a server says may hold what would be markup
            seen = Text(answer.says)
            if answer.next_step is not None:
                seen.append(f"\n→ {answer.next_step}", style="bold")
            table.add_row(Text(mark, style=color), Text(each.name), seen)
    console = Console()
    console.print(table)
    console.print(f"\n{conclusion(found)}", highlight=False)


def as_json(found: Sequence[Examined]) -> str:
    """`{"ok", "checks": [{"name", "verdict", "says", "nextStep"?}]}`; `ok` is what exit code 0 says."""
    checks = [
        {"name": each.name, "verdict": answer.verdict.value, "says": answer.says}
        | ({"nextStep": answer.next_step} if answer.next_step is not None else {})
        for each in found
        for answer in each.answers
    ]
    is_ok = all(check["verdict"] != Verdict.WRONG.value for check in checks)
    return json.dumps({"ok": is_ok, "checks": checks}, ensure_ascii=False, indent=2)


def conclusion(found: Sequence[Examined]) -> str:
    """The last line."""
    count = Counter(answer.verdict for each in found for answer in each.answers)
    warnings = count[Verdict.WARNING]
    noted = "" if not warnings else " 1 warning." if warnings == 1 else f" {warnings} warnings."
    if not count[Verdict.WRONG]:
        return f"Nothing is wrong.{noted}"
    return f"{count[Verdict.WRONG]} {'thing is' if count[Verdict.WRONG] == 1 else 'things are'} wrong.{noted}"
