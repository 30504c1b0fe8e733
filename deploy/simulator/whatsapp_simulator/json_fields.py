"""Reading JSON objects that people wrote: each mistake is named."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class BadInput(ValueError):
    """What is wrong with the request's body, in words for who wrote it."""


class Fields:
    """The fields of one JSON object, each taken once; `done` refuses what nobody took, so that typing errors show."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, Mapping):
            raise BadInput("expected a JSON object")
        self._left = dict(value)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, kind: type[T]) -> T:
        """The field, which must be there."""
        value = self.optional(name, kind)
        if value is None:
            raise BadInput(f"{name}: missing")
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        """The field, or None when it is absent or null."""
        value = self._left.pop(name, None)
        if kind is float and isinstance(value, int):
            value = float(value)
        if value is None or (isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)):
            return value
        raise BadInput(f"{name}: {value!r} is not of type {kind.__name__}")

    def done(self) -> None:
        if self._left:
            raise BadInput(f"unknown: {', '.join(sorted(self._left))}")


def read_choice(choices: type[E], text: str) -> E:
    """The member with this value."""
    try:
        return choices(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is none of {', '.join(choices)}") from error
