"""What the control API accepts besides faults, turned into the simulator's own types."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from whatsapp_simulator.attachments import Kind
from whatsapp_simulator.json_fields import BadInput, Fields, read_choice
from whatsapp_simulator.parties import Customer
from whatsapp_simulator.rate_limit import RateLimit
from whatsapp_simulator.traffic import Traffic


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


def read_limit(value: object) -> RateLimit:
    """`{"requests", "perSeconds"?, "code"?, "status"?}`."""
    fields = Fields(value)
    given: dict[str, Any] = {
        "requests": fields.take("requests", int),
        "per_seconds": fields.optional("perSeconds", float),
        "code": fields.optional("code", int),
        "status": fields.optional("status", int),
    }
    fields.done()
    try:
        return RateLimit(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise BadInput(str(error)) from error


def read_traffic(value: object) -> Traffic:
    """`{"kinds": […], "count"?, "batch"?, "perSecond"?, "connections"?, "duplicates"?, "reorder"?, "customers"?,
    "sizeBytes"?, "unique"?, "caption"?, "seed"?}`."""
    fields = Fields(value)
    given: dict[str, Any] = {
        "kinds": tuple(str(kind) for kind in fields.take("kinds", list)),
        "count": fields.optional("count", int),
        "batch": fields.optional("batch", int),
        "per_second": fields.optional("perSecond", float),
        "connections": fields.optional("connections", int),
        "duplicates": fields.optional("duplicates", float),
        "reorder": fields.optional("reorder", bool),
        "customers": fields.optional("customers", int),
        "size_bytes": fields.optional("sizeBytes", int),
        "unique": fields.optional("unique", bool),
        "caption": fields.optional("caption", str),
        "seed": fields.optional("seed", int),
    }
    fields.done()
    try:
        return Traffic(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise BadInput(str(error)) from error


def read_kind(text: str) -> Kind:
    return read_choice(Kind, text)


def read_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BadInput("base64: not base64") from error
