"""Faults as people write them: JSON for the control API, `name=share,option=value` for the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from whatsapp_simulator.fault_names import FaultName, Step
from whatsapp_simulator.faults import BodyForm, Fault, Per, RetryAfterForm, Shape
from whatsapp_simulator.json_fields import BadInput, Fields, read_choice
from whatsapp_simulator.targets import Target

OPTIONS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "times": int,
        "at": Step,
        "share": float,
        "per": Per,
        "status": int,
        "code": int,
        "subcode": int,
        "isTransient": bool,
        "message": str,
        "body": BodyForm,
        "retryAfterSeconds": int,
        "retryAfterForm": RetryAfterForm,
        "regainAccessMinutes": int,
        "delaySeconds": float,
        "bytesPerSecond": int,
        "sizeBytes": int,
        "afterBytes": int,
        "target": Target,
        "url": str,
        "hops": int,
        "shape": Shape,
    }
)
"""What a fault can be told besides its name, as both ways write it."""


def read_fault(value: object) -> Fault:
    """`{"name": …}` and any of `OPTIONS`. `retryAfterSeconds: null` leaves the header out."""
    given = Fields(value)
    name = read_choice(FaultName, given.take("name", str))
    options: dict[str, Any] = {}
    for option, kind in OPTIONS.items():
        there = option in given
        if issubclass(kind, StrEnum):
            text = given.optional(option, str)
            taken = None if text is None else read_choice(kind, text)
        else:
            taken = given.optional(option, kind)
        if taken is not None or (there and option == "retryAfterSeconds"):
            options[_attribute(option)] = taken
    given.done()
    return _built(name, options)


def read_faults(value: object) -> tuple[Fault, ...]:
    """A JSON array of faults; null is none."""
    if not isinstance(value, list | None):
        raise BadInput("faults: expected a JSON array")
    return tuple(read_fault(item) for item in value or ())


def parse_fault(text: str) -> Fault:
    """`corrupt`, `corrupt=0.1`, `graph_error=0.05,code=131057,status=503`."""
    first, *rest = text.split(",")
    name, _, share = first.partition("=")
    written: dict[str, str] = {"share": share} if share else {}
    for item in rest:
        option, _, value = item.partition("=")
        if option not in OPTIONS:
            raise BadInput(f"{option!r} is none of {', '.join(OPTIONS)}")
        written[option] = value
    return read_fault({"name": name} | {option: _from_text(option, value) for option, value in written.items()})


def fault_json(fault: Fault) -> dict[str, object]:
    """A fault as `read_fault` takes it; what is as usual is left out."""
    shown = {field.name: getattr(fault, field.name) for field in fields(fault) if field.name != "name"}
    usual = {field.name: field.default for field in fields(fault)}
    return {"name": fault.name} | {
        _OPTION_OF[attribute]: value for attribute, value in shown.items() if value != usual[attribute]
    }


def _built(name: FaultName, options: dict[str, Any]) -> Fault:
    try:
        return Fault(name=name, **options)
    except ValueError as error:
        raise BadInput(_SNAKE.sub(lambda found: _OPTION_OF.get(found[0], found[0]), str(error))) from error


def _attribute(option: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", option)


_OPTION_OF = {_attribute(option): option for option in OPTIONS}
_SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)+")


def _from_text(option: str, value: str) -> object:
    kind = OPTIONS[option]
    if option == "retryAfterSeconds" and value == "none":
        return None
    if kind is bool and value in {"true", "false"}:
        return value == "true"
    if kind in {int, float}:
        try:
            return kind(value)
        except ValueError:
            raise BadInput(f"{option}: {value!r} is not a number") from None
    return value
