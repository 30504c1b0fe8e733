"""What `attache retention` tells: what would go, by kind and number, and what went."""

from collections import Counter
from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from shared.repository.expired import Content, Group
from shared.retention import Removed


@dataclass(kw_only=True)
class RetentionPlan:
    """What would go: `groups` counts attachments. `busy` of this age stay."""

    groups: dict[Group, int]
    busy: int
    files: Counter[Group] = field(default_factory=Counter)
    size_bytes: Counter[Group] = field(default_factory=Counter)
    shared: int = 0
    shared_bytes: int = 0

    @property
    def documents(self) -> int:
        """How many attachments."""
        return sum(self.groups.values())

    def take(self, content: Content) -> None:
        """One content that they have."""
        if content.is_shared:
            self.shared += 1
            self.shared_bytes += content.size_bytes
        else:
            self.files[content.group] += 1
            self.size_bytes[content.group] += content.size_bytes


def show_plan(plan: RetentionPlan, *, applied: bool) -> None:
    """Before anything goes."""
    if plan.documents:
        Console().print(_table(plan))
    else:
        typer.echo("No attachment of this age, kind and number is at rest: there is nothing to remove.")
    if plan.shared:
        typer.echo(
            f"{plan.shared} files ({decimal(plan.shared_bytes)}) stay, as other attachments have the same content."
        )
    if plan.busy:
        typer.echo(f"{plan.busy} attachments of this age stay, as they are under way or Meta still has their file.")
    if plan.documents and not applied:
        typer.echo("Nothing was removed. To remove them: the same command with APPLY=1 (make) or --apply (attache).")


def show_removed(removed: Removed, *, letters: int | None) -> None:
    """Afterwards. Without `letters` they were not all looked through."""
    table = Table("how many", "what", title="Removed")
    for count, what in (
        (removed.documents, "attachments"),
        (removed.files, f"files, with their previews: {decimal(removed.size_bytes)}"),
        (removed.files_shared, "files kept, as other attachments have the same content"),
        (removed.files_left, "files that could not be deleted now"),
        (removed.conversations, "conversations in which nothing was left"),
        (letters or 0, "dead letters"),
    ):
        table.add_row(str(count), what)
    Console().print(table)


def _table(plan: RetentionPlan) -> Table:
    table = Table("number", "kind", title="Attachments that would go")
    for column in ("attachments", "files", "size"):
        table.add_column(column, justify="right")
    for group in sorted(plan.groups):
        cells = (plan.groups[group], plan.files[group], decimal(plan.size_bytes[group]))
        table.add_row(group.number, group.kind, *map(str, cells))
    table.add_section()
    table.add_row("all", "", str(plan.documents), str(plan.files.total()), decimal(plan.size_bytes.total()))
    return table
