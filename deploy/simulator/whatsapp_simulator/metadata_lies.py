"""Metadata that is not true, or not in the form that Meta promises."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from yarl import URL

from whatsapp_simulator.fault_names import FaultName
from whatsapp_simulator.faults import Fault, Shape
from whatsapp_simulator.targets import place

Described = dict[str, Any]


def told(described: Described, fault: Fault, *, origin: URL, path: str) -> object:
    """What this fault makes of right metadata; `path` is that of the link in it."""
    if fault.name is FaultName.WRONG_TYPES:
        return _SHAPES[fault.shape](described)
    if fault.name is FaultName.WRONG_URL:
        url = place(fault.target, fault.url, origin=origin, path=path)
        return _without(described, "url") if url is None else described | {"url": url}
    lie = _LIES.get(fault.name)
    return described if lie is None else lie(described, fault)


def _without(described: Described, key: str) -> Described:
    return {name: value for name, value in described.items() if name != key}


def _wrong_size(described: Described, fault: Fault) -> Described:
    right = int(described.get("file_size", 0))
    return described | {"file_size": right + 1 if fault.size_bytes is None else fault.size_bytes}


_LIES: dict[FaultName, Callable[[Described, Fault], Described]] = {
    FaultName.WRONG_SIZE: _wrong_size,
    FaultName.TEXT_SIZE: lambda it, _: it | {"file_size": str(it.get("file_size", 0))},
    FaultName.NO_SIZE: lambda it, _: _without(it, "file_size"),
    FaultName.WRONG_DIGEST: lambda it, _: it | {"sha256": hashlib.sha256(b"another file").hexdigest()},
    FaultName.BASE64_DIGEST: lambda it, _: it | {"sha256": base64.b64encode(bytes.fromhex(it["sha256"])).decode()},
    FaultName.JUNK_DIGEST: lambda it, _: it | {"sha256": "not a digest"},
    FaultName.NO_DIGEST: lambda it, _: _without(it, "sha256"),
    FaultName.WRONG_MIME: lambda it, _: it | {"mime_type": "application/octet-stream"},
}
_WRONG_FIELDS: Described = {"mime_type": ["image/jpeg"], "sha256": 7, "file_size": True, "id": None}
_SHAPES: dict[Shape, Callable[[Described], object]] = {
    Shape.FIELDS: lambda it: it | _WRONG_FIELDS,
    Shape.URL: lambda it: it | {"url": 7},
    Shape.NO_URL: lambda it: _without(it, "url"),
    Shape.EMPTY_OBJECT: lambda _: {},
    Shape.ARRAY: lambda it: [it],
    Shape.TEXT: lambda _: "ok",
    Shape.NUMBER: lambda _: 7,
    Shape.NULL: lambda _: None,
}
