"""What the control API accepts, turned into the simulator's own types."""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Any, TypeVar

from whatsapp_simulator.faults import Fault, FaultName, Step
from whatsapp_simulator.json_fields import BadInput, Fields
from whatsapp_simulator.webhooks import Customer, Kind

E = TypeVar("E", bound=StrEnum)

_FAULT_OPTIONS: dict[str, tuple[str, type[Any]]] = {
    "times": ("times", int),
    "status": ("status", int),
    "retryAfterSeconds": ("retry_after_seconds", int),
    "delaySeconds": ("delay_seconds", float),
}


def read_fault(value: object) -> Fault:
    """`{"name", "times"?, "at"?, "status"?, "retryAfterSeconds"?, "delaySeconds"?}`; only `name` is required."""
    fields = Fields(value)
    options: dict[str, Any] = {}
    for key, (option, kind) in _FAULT_OPTIONS.items():
        given, option_value = key in fields, fields.optional(key, kind)
        if option_value is not None or (given and key == "retryAfterSeconds"):  # its null says: no such header
            options[option] = option_value
    options["name"] = read_choice(FaultName, fields.take("name", str))
    at = fields.optional("at", str)
    options["at"] = None if at is None else read_choice(Step, at)
    fields.done()
    try:
        return Fault(**options)
    except ValueError as error:
        raise BadInput(str(error)) from error


def read_faults(value: object) -> tuple[Fault, ...]:
    """A JSON array of faults; null is none."""
    if not isinstance(value, list | None):
        raise BadInput("faults: expected a JSON array")
    return tuple(read_fault(item) for item in value or ())


def read_customer(value: object) -> Customer:
    """`{"name"?, "username"?, "waId"?, "userId"?}`."""
    fields = Fields(value)
    customer = Customer(
        name=fields.optional("name", str),
        username=fields.optional("username", str),
        wa_id=fields.optional("waId", str),
        user_id=fields.optional("userId", str),
    )
    fields.done()
    return customer


def read_kind(text: str) -> Kind:
    return read_choice(Kind, text)


def read_choice(choices: type[E], text: str) -> E:
    """The member with this value."""
    try:
        return choices(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is none of {', '.join(choices)}") from error


def read_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BadInput("base64: not base64") from error
