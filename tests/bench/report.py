"""The figures as a table for people and as `bench.json` for machines."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from shared.model import rfc3339
from tests.bench.figures import ATTACHE, Figure, ratio


def table(figures: Sequence[Figure]) -> Table:
    """Medians, with the lowest and the highest round beside them."""
    shown = Table(title="Measured now, on this machine", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column("")
    shown.add_column("figure")
    shown.add_column("of")
    shown.add_column("median", justify="right", no_wrap=True)
    shown.add_column("rounds", justify="right", no_wrap=True)
    shown.add_column(f"{ATTACHE} ÷ it", justify="right", no_wrap=True)
    shown.add_column("")
    row = None
    for figure in figures:
        if row not in (None, figure.row):
            shown.add_section()
        compared = ratio(figure, figures)
        shown.add_row(
            "" if figure.row == row else figure.row,
            figure.name,
            figure.subject,
            f"{_number(figure.median)} {figure.unit}",
            f"{_number(min(figure.rounds))}-{_number(max(figure.rounds))}" if len(figure.rounds) > 1 else "",
            "" if compared is None else f"{compared:.2f}",
            _remark(figure),
        )
        row = figure.row
    return shown


def write_json(
    path: Path, figures: Sequence[Figure], *, machine: Mapping[str, object], started_at: datetime, notes: Sequence[str]
) -> None:
    """Everything, each round included."""
    content = {
        "startedAt": rfc3339(started_at),
        "seconds": round((datetime.now(UTC) - started_at).total_seconds(), 1),
        "machine": machine,
        "notes": list(notes),
        "figures": [_as_json(figure, figures) for figure in figures],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _as_json(figure: Figure, figures: Sequence[Figure]) -> dict[str, object]:
    optional: dict[str, object] = {
        "attacheDividedByIt": _rounded(ratio(figure, figures)),
        "limit": figure.limit,
        "withinLimit": figure.is_within,
        "note": figure.note,
    }
    return {
        "row": figure.row,
        "figure": figure.name,
        "of": figure.subject,
        "unit": figure.unit,
        "median": _rounded(figure.median),
        "rounds": [_rounded(value) for value in figure.rounds],
        **{name: value for name, value in optional.items() if value is not None},
    }


def _remark(figure: Figure) -> str:
    limit = ""
    if figure.limit is not None:
        verdict, colour = ("below", "green") if figure.is_within else ("NOT below", "red")
        limit = f"[{colour}]{verdict} {figure.limit:g} {figure.unit}[/]"
    return ", ".join(part for part in (limit, figure.note) if part)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
