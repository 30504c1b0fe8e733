"""The metrics that our code defines, read from the code: name, kind and labels of each."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_KINDS = {"Counter", "Gauge", "Histogram"}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One definition."""

    name: str
    kind: str
    labels: frozenset[str]

    @property
    def series(self) -> frozenset[str]:
        """The names that Prometheus stores it under."""
        if self.kind == "Histogram":
            return frozenset(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return frozenset({self.name})


@cache
def metrics_of_our_code() -> dict[str, Metric]:
    """By the name of the series."""
    sources = [*(_ROOT / "shared").rglob("*.py"), *(_ROOT / "services").rglob("*.py")]
    found = [metric for path in sources for metric in _defined(ast.parse(path.read_text(encoding="utf-8")))]
    return {series: metric for metric in found for series in metric.series}


def _defined(module: ast.Module) -> Iterator[Metric]:
    for call in ast.walk(module):
        match call:
            case ast.Call(func=ast.Name(id=kind), args=[ast.Constant(value=str(name)), _, *rest]) if (
                kind in _KINDS and name.startswith("attache_")
            ):
                labels = ast.literal_eval(rest[0]) if rest else ()
                yield Metric(name=name, kind=kind, labels=frozenset(labels))
