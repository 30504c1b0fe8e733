"""Removing dead letters. Documents stay as they are."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from pydantic import SecretStr

from shared.broker.letter import Letter
from shared.broker.letters import Verdict, reading
from shared.dead_letters.selection import Selection


async def purge(
    url: SecretStr, selection: Selection, *, progress: Callable[[int, int], None] = lambda done, of: None
) -> int:
    """Remove the letters that are meant and are there now; how many. Raise as `reading` does."""
    removed = seen = 0

    async def remove(letters: Sequence[Letter]) -> Sequence[Verdict]:
        nonlocal removed, seen
        verdicts = [Verdict.REMOVE if selection.has(letter) else Verdict.KEEP for letter in letters]
        removed += verdicts.count(Verdict.REMOVE)
        seen += len(letters)
        progress(seen, max(seen, total))
        return verdicts

    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(reading(url, queue)) for queue in selection.queues]
        total = sum(reader.total for reader in readers)
        for reader in readers:
            await reader.walk(remove)
    return removed
