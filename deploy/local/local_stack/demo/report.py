"""The table of what became of each attachment."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from local_stack.demo.watch import Outcome

_COLOURS = {"ready": "green", "skipped": "yellow", "failed": "red"}
_NOTHING = "-"
_ORDER = ("thumb", "preview", "poster", "waveform", "playable")


def report(outcomes: Sequence[Outcome], console: Console) -> bool:
    """Print the table and, below it, every reason in full; True when every attachment ended as it should."""
    table = Table(title="What became of each attachment", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("attachment", min_width=13)
    table.add_column("kind", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("size", no_wrap=True, justify="right")
    table.add_column("time", no_wrap=True, justify="right")
    table.add_column("renditions", no_wrap=True)
    table.add_column("what it is, or the reason")
    for outcome in outcomes:
        table.add_row(*_row(outcome))
    console.print(table)
    for outcome in outcomes:
        for reason in (*_failure(outcome, "message"), *outcome.wrong):
            console.print(f"{outcome.shipment.label}: {reason}", markup=False, highlight=False, soft_wrap=True)
    as_planned = sum(not outcome.wrong for outcome in outcomes)
    colour = "green" if as_planned == len(outcomes) else "red"
    console.print(f"\n{as_planned} of {len(outcomes)} attachments ended as they should\n", style=colour)
    return as_planned == len(outcomes)


def _row(outcome: Outcome) -> tuple[str, ...]:
    shipment, media = outcome.shipment, (outcome.message or {}).get("media", {})
    status = media.get("status", "unknown")
    renditions = media.get("renditions", {})
    return (
        "[red]✗[/]" if outcome.wrong else "[green]✓[/]",
        shipment.label,
        shipment.media.kind.value,
        f"[{_COLOURS.get(status, 'red')}]{status}[/]",
        decimal(shipment.media.content.size_bytes).replace(" bytes", " B"),
        _NOTHING if outcome.seconds is None else f"{outcome.seconds:.2f} s",
        " ".join(name for name in _ORDER if name in renditions),
        escape(", ".join((*_failure(outcome, "code"), *_facts(media)))),
    )


def _facts(media: dict[str, Any]) -> Iterator[str]:
    facts = media.get("facts", {})
    if label := facts.get("label"):
        yield label
    if width := facts.get("width"):
        yield f"{width}x{facts['height']}"
    if facts.get("animated"):
        yield "moving"
    if seconds := facts.get("durationSeconds"):
        yield f"{seconds:.1f} s"
    if facts.get("playable") is False and "playable" not in media["renditions"]:
        yield "save to play"


def _failure(outcome: Outcome, field: str) -> tuple[str, ...]:
    failure = (outcome.message or {}).get("media", {}).get("failure")
    return (failure[field],) if failure else ()
