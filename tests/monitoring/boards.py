"""The Grafana boards as they stand in their files, and their queries with the variables filled in as Grafana does."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

JSON = dict[str, Any]

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
_ALL = ".*"
_NAME = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True, kw_only=True)
class Window:
    """What Grafana knows of the time that a board shows: its range, the step, and the scrape interval."""

    range_seconds: int
    step_seconds: int
    scrape_seconds: int

    @property
    def rate_seconds(self) -> int:
        """`$__rate_interval`: wide enough for a rate however few samples there are."""
        return max(self.step_seconds + self.scrape_seconds, 4 * self.scrape_seconds)

    @property
    def values(self) -> Mapping[str, str]:
        """The variables that every board has without defining them."""
        return {
            "__interval": f"{self.step_seconds}s",
            "__interval_ms": str(self.step_seconds * 1000),
            "__range": f"{self.range_seconds}s",
            "__rate_interval": f"{self.rate_seconds}s",
            "__rate_interval_ms": str(self.rate_seconds * 1000),
        }


@dataclass(frozen=True)
class Query:
    """One target of a panel."""

    raw: JSON

    @property
    def expression(self) -> str:
        """PromQL with Grafana's variables in it."""
        return str(self.raw["expr"])

    @property
    def is_instant(self) -> bool:
        """Asked for one moment; otherwise for the range that the board shows."""
        return bool(self.raw.get("instant"))

    def legend(self, labels: Mapping[str, str]) -> str:
        """What the legend calls a series with these labels."""
        shown = re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), self.raw["legendFormat"])
        return shown or ", ".join(f"{name}={value}" for name, value in sorted(labels.items())) or self.expression


@dataclass(frozen=True)
class Panel:
    """One panel that shows numbers (rows are none)."""

    raw: JSON

    @property
    def title(self) -> str:
        """The question that it answers."""
        return str(self.raw["title"])

    @property
    def kind(self) -> str:
        """Grafana's name: stat, timeseries, state-timeline or table."""
        return str(self.raw["type"])

    @property
    def defaults(self) -> JSON:
        """Unit, thresholds, text for no value and what else holds for every series."""
        defaults: JSON = self.raw["fieldConfig"]["defaults"]
        return defaults

    @property
    def grid(self) -> tuple[int, int, int, int]:
        """x, y, width, height; a board is 24 wide."""
        place = self.raw["gridPos"]
        return place["x"], place["y"], place["w"], place["h"]

    def step_of(self, value: float) -> JSON:
        """The threshold that a value has reached; its `color` is the colour of a stat."""
        steps: Sequence[JSON] = self.defaults["thresholds"]["steps"]
        return [step for step in steps if step.get("value") is None or step["value"] <= value][-1]

    @cached_property
    def queries(self) -> Sequence[Query]:
        """In the order of the file."""
        return [Query(target) for target in self.raw["targets"]]


@dataclass(frozen=True)
class Board:
    """One file."""

    path: Path

    @cached_property
    def raw(self) -> JSON:
        """As Grafana reads it."""
        board: JSON = json.loads(self.path.read_text(encoding="utf-8"))
        return board

    @property
    def title(self) -> str:
        """As people see it."""
        return str(self.raw["title"])

    @cached_property
    def panels(self) -> Sequence[Panel]:
        """All that show numbers."""
        return [Panel(panel) for panel in self.raw["panels"] if panel["type"] != "row"]

    @cached_property
    def variables(self) -> Mapping[str, JSON]:
        """By name."""
        return {variable["name"]: variable for variable in self.raw["templating"]["list"]}

    @property
    def selections(self) -> Iterator[tuple[str, str, str]]:
        """Name, series selector and label of each variable whose values come from Prometheus."""
        for name, variable in self.variables.items():
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
                assert found, f"{name}: {variable['query']['query']} is not label_values(series, label)"
                yield name, found[1], found[2]

    def panel(self, title: str) -> Panel:
        """The one with this question."""
        return next(panel for panel in self.panels if panel.title == title)

    def filled(self, expression: str, window: Window, chosen: Mapping[str, Sequence[str]] | None = None) -> str:
        """The PromQL that Prometheus gets; what is not `chosen` stands for all values."""
        values = dict(window.values)
        for name, variable in self.variables.items():
            values[name] = _ALL if variable.get("includeAll") else str(variable.get("query", ""))
        values |= {name: _alternatives(some) for name, some in (chosen or {}).items()}

        def value(found: re.Match[str]) -> str:
            return values[found[1]]

        return _NAME.sub(value, expression)


def boards() -> Sequence[Board]:
    """All that Grafana is given."""
    return [Board(path) for path in sorted((GRAFANA / "dashboards").glob("*.json"))]


def _alternatives(values: Sequence[str]) -> str:
    # Grafana escapes for a regular expression inside of a string
    escaped = [re.sub(r"([\\^$*+?.()|\[\]{}])", r"\\\\\1", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
