"""What the command line shows: progress while it sends, and figures at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from whatsapp_simulator.catalogue import KINDS
from whatsapp_simulator.fault_names import FAULTS
from whatsapp_simulator.sender import NO_ANSWER
from whatsapp_simulator.simulator import Simulator
from whatsapp_simulator.traffic import Sent

_WIDTH_OF_A_PIPE = 110


@contextmanager
def progress(total_updates: int) -> Iterator[Callable[[Sent], None]]:
    """A bar on standard error, so that standard output stays what a script can read."""
    columns = (TextColumn("Webhooks"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        bar = shown.add_task("Webhooks", total=total_updates)
        yield lambda sent: shown.update(bar, completed=sent.updates, total=max(total_updates, sent.updates))


def sent_table(sent: Sent) -> Table:
    """How the receiver answered."""
    table = Table(title="Sent", show_header=False, title_justify="left")
    seconds = max(sent.elapsed_seconds, 1e-9)
    answers = ", ".join(
        f"{count} x {'no answer' if status == NO_ANSWER else status}" for status, count in sorted(sent.statuses.items())
    )
    rows = {
        "webhooks": f"{sent.posts}, {sent.duplicates} of them a second time",
        "updates": f"{sent.updates}",
        "attachments": f"{sent.attachments}",
        "rate": f"{sent.posts / seconds:.1f} webhooks/s for {sent.elapsed_seconds:.2f} s",
        "answers": answers or "none",
        "answered within": f"p50 {sent.answered_within(0.5):.3f} s, p99 {sent.answered_within(0.99):.3f} s",
        "given up": f"{sent.refused}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def asked_table(simulator: Simulator) -> Table:
    """What the receiver asked for, and what went wrong on request."""
    table = Table(title="Asked for", show_header=False, title_justify="left")
    table.add_row("metadata", f"{simulator.requests.metadata()}")
    table.add_row("downloads", f"{simulator.requests.downloads()}")
    for name, count in sorted(simulator.faults.struck().items()):
        table.add_row(f"fault {name}", f"{count}")
    return table


def names_table() -> Table:
    """Every name that `--kind` and `--fault` know."""
    table = Table("option", "name", "what it is")
    for name, kind in KINDS.items():
        table.add_row("--kind", name, kind.words)
    table.add_section()
    for fault, described in FAULTS.items():
        table.add_row("--fault", fault.value, described.words)
    return table


def console() -> Console:
    """Standard output; wide enough for the tables when it is a file or a pipe."""
    output = Console()
    if not output.is_terminal:
        output.width = _WIDTH_OF_A_PIPE
    return output
