"""What `attache previews rebuild` tells: what it is about, and what became of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from shared.rebuild import Outcome
from shared.repository.previewed import Content


@dataclass(kw_only=True)
class RebuildPlan:
    """What would be made anew. A file counts for the kind of the first attachment that has it."""

    attachments: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    size_bytes: Counter[str] = field(default_factory=Counter)
    given_up: int = 0
    failed_before: int = 0

    def take(self, content: Content) -> None:
        """One content that is concerned."""
        if content.given_up:
            self.given_up += len(content.attachments)
            return
        if content.failed_before:
            self.failed_before += len(content.attachments)
            return
        self.attachments.update(showing.kind for showing in content.attachments)
        if content.is_outdated:
            kind = content.attachments[0].kind
            self.files[kind] += 1
            self.size_bytes[kind] += content.size_bytes


def show_plan(plan: RebuildPlan, *, applied: bool) -> None:
    """Before anything is changed."""
    if plan.attachments:
        table = Table("kind", title="Previews that would be rebuilt")
        for column in ("attachments", "files to render", "size"):
            table.add_column(column, justify="right")
        for kind in sorted(plan.attachments):
            cells = (plan.attachments[kind], plan.files[kind], decimal(plan.size_bytes[kind]))
            table.add_row(kind, *map(str, cells))
        table.add_section()
        total = (plan.attachments.total(), plan.files.total(), decimal(plan.size_bytes.total()))
        table.add_row("all", *map(str, total))
        Console().print(table)
    else:
        typer.echo("Every preview is made by the recipes of today: there is nothing to rebuild.")
    if plan.given_up:
        typer.echo(f"{plan.given_up} stay as they are: their files took decoders down (--failed tries them again).")
    if plan.failed_before:
        why = "the same file failed in another attachment"
        typer.echo(f"{plan.failed_before} stay as they are: {why} (--failed tries them again).")
    if plan.attachments and not applied:
        typer.echo("Nothing was changed. To rebuild them: the same command with APPLY=1 (make) or --apply (attache).")


def show_outcomes(counts: Mapping[Outcome, int], *, left: int) -> None:
    """Afterwards; `left` were not begun."""
    table = Table("attachments", "what became of them", title="Rebuild of previews")
    for outcome in Outcome:
        if count := counts.get(outcome, 0):
            table.add_row(str(count), outcome.value)
    if left:
        table.add_row(str(left), "left, as it was stopped")
    Console().print(table)
