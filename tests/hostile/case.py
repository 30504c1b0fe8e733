"""One hostile file."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Case:
    """Bytes that want to do harm, made when they are asked for, and the type that we would sniff.

    `name` is unique in the corpus and fit for a file name; the part before the first dot is its group.
    """

    name: str
    mime_type: str
    make: Callable[[], bytes]

    @property
    def group(self) -> str:
        """What is wrong with it, roughly."""
        return self.name.partition(".")[0]
