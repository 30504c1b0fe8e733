"""What the storage commands found, as the operator reads it: a capped list, a table, a sentence."""

from collections import Counter
from datetime import datetime

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from shared.cli.command import attache
from shared.storage_check.advice import next_step
from shared.storage_check.findings import HARMLESS, Finding, Problem
from shared.storage_check.prune import Unneeded
from shared.storage_check.repair import Outcome

_LISTED = 50  # of each kind; all of them are counted


class CheckReport:
    """Collects while the check goes on; holds no more than what is listed."""

    def __init__(self) -> None:
        self.looked_at: dict[str, int] = {}
        self._found: Counter[Problem] = Counter()
        self._left: Counter[Problem] = Counter()
        self._lines: dict[Problem, list[str]] = {problem: [] for problem in Problem}

    @property
    def is_fine(self) -> bool:
        """Nothing was wrong, or all of it has been set right."""
        return not self._wrong(self._left)

    @property
    def conclusion(self) -> str:
        """The last line."""
        found, left = self._wrong(self._found), self._wrong(self._left)
        if not found:
            return "Nothing is wrong."
        if not left:
            return f"All {found} that were wrong are set right or on their way; check again when they have arrived."
        return f"{left} of {found} that were wrong are left." if left < found else f"{found} are wrong."

    def take(self, finding: Finding, *, now: datetime, outcome: Outcome = Outcome.LEFT) -> None:
        """One finding and what became of it."""
        problem = finding.problem
        self._found[problem] += 1
        if outcome is Outcome.LEFT:
            self._left[problem] += 1
        if len(self._lines[problem]) < _LISTED:
            self._lines[problem].append(_line(finding, outcome, now))

    def show(self) -> None:
        """Print what there is so far."""
        for problem, lines in self._lines.items():
            for line in lines:
                typer.echo(line)
            if (more := self._found[problem] - len(lines)) > 0:
                typer.echo(f"{problem}: {more} more like these are not listed.")
        table = Table("", "number", "left", title="Storage check")
        for what, count in self.looked_at.items():
            table.add_row(f"{what} looked at", str(count), "")
        for problem, count in self._found.items():
            table.add_row(problem, str(count), str(self._left[problem]))
        Console().print(table)

    @staticmethod
    def _wrong(counts: Counter[Problem]) -> int:
        return sum(count for problem, count in counts.items() if problem not in HARMLESS)


class PruneReport:
    """Collects while the store is pruned, or while it is shown what would be."""

    def __init__(self, *, applied: bool) -> None:
        self._applied = applied
        self._found: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()
        self._lines: list[str] = []

    @property
    def conclusion(self) -> str:
        """The last line."""
        if not self._found["entries"]:
            return "Every file of this age is needed: there is nothing to remove."
        if not self._applied:
            return "Nothing was removed. To remove them: the same command with APPLY=1 (make) or --apply (attache)."
        kept = self._found["entries"] - self._removed["entries"]
        return "Removed." if not kept else f"Removed, but for {kept} that came to be needed, or went, in the meantime."

    @property
    def removed_files(self) -> int:
        """How many are gone."""
        return self._removed["files"]

    @property
    def removed_bytes(self) -> int:
        """Of the files that are gone."""
        return self._removed["bytes"]

    def take(self, unneeded: Unneeded, *, removed: bool) -> None:
        """One that no document refers to."""
        what = "previews" if unneeded.key.startswith("renditions/") else "originals"
        size = Counter({"entries": 1, "files": unneeded.files, "bytes": unneeded.size_bytes})
        size += Counter({f"{what} files": unneeded.files, f"{what} bytes": unneeded.size_bytes})
        self._found += size
        if removed:
            self._removed += size
        if len(self._lines) < _LISTED:
            what = "removed" if removed else "no longer unneeded" if self._applied else "would be removed"
            self._lines.append(f"{unneeded.key}: {decimal(unneeded.size_bytes)}, {what}")

    def show(self) -> None:
        """Print what there is so far."""
        for line in self._lines:
            typer.echo(line)
        if (more := self._found["entries"] - len(self._lines)) > 0:
            typer.echo(f"{more} more like these are not listed.")
        table = Table("", "files", "size", title="Files that no attachment needs")
        for label, what in (("originals with their previews", "originals "), ("previews alone", "previews ")):
            table.add_row(label, str(self._found[f"{what}files"]), decimal(self._found[f"{what}bytes"]))
        table.add_section()
        table.add_row("found", str(self._found["files"]), decimal(self._found["bytes"]))
        table.add_row("removed", str(self._removed["files"]), decimal(self._removed["bytes"]))
        Console().print(table)


def _line(finding: Finding, outcome: Outcome, now: datetime) -> str:
    whose = "" if finding.attachment is None else finding.attachment.id
    # a name that somebody chose may hold what a terminal obeys
    name = finding.key.encode("unicode_escape").decode()
    detail = f"({finding.detail})" if finding.detail else ""
    what = " ".join(part for part in (whose, name, detail) if part)
    if outcome is Outcome.LEFT:
        return f"{finding.problem}: {what}. Next: {next_step(finding, now, attache=attache())}."
    return f"{finding.problem}: {what}: {outcome}."
