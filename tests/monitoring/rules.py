"""The alert rules and their promtool tests as they stand in deploy/prometheus."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.monitoring.tools import PROMETHEUS

RUNBOOK = "{{ $externalLabels.runbooks }}docs/operations.md#"
_SERIES = re.compile(r"\b((?:attache|rabbitmq|process)_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One rule."""

    name: str
    expression: str
    hold: str
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def series(self) -> Sequence[tuple[str, frozenset[str]]]:
        """The series that it reads, each with the labels that it picks them by."""
        bare = _TEXT.sub('""', self.expression)  # a text may look like a name
        return [(name, frozenset(_MATCHER.findall(matchers))) for name, matchers in _SERIES.findall(bare)]


@dataclass(frozen=True, kw_only=True)
class RuleTest:
    """One assertion of a promtool test: whether this alert fires."""

    alert: str
    test: str
    fires: bool


@cache
def alerts() -> Sequence[Alert]:
    """Of all files."""
    return [
        Alert(
            name=rule["alert"],
            expression=rule["expr"],
            hold=rule.get("for", "0s"),
            labels=rule["labels"],
            annotations=rule["annotations"],
        )
        for path in sorted((PROMETHEUS / "rules").glob("*.yml"))
        for group in _read(path.name, "rules")["groups"]
        for rule in group["rules"]
    ]


@cache
def rule_tests() -> Sequence[RuleTest]:
    """Of all files."""
    return [
        RuleTest(alert=case["alertname"], test=group["name"], fires=bool(case.get("exp_alerts")))
        for path in sorted((PROMETHEUS / "tests").glob("*.yml"))
        for group in _read(path.name, "tests")["tests"]
        for case in group["alert_rule_test"]
    ]


def _read(name: str, folder: str) -> Any:
    return yaml.safe_load((PROMETHEUS / folder / name).read_text(encoding="utf-8"))
