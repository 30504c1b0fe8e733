"""A long stream in short pieces, so that each piece costs one question to the database."""

from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")

_AT_ONCE = 500


async def in_batches(items: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """The items in the same order, never more than a batch of them in memory."""
    batch: list[T] = []
    async for item in items:
        batch.append(item)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
