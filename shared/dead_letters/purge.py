"""Removing dead letters. Documents stay as they are."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from pydantic import SecretStr

from shared.broker.letter import Letter
from shared.broker.letters import Verdict, reading
from shared.dead_letters.fates import Fate, Fates
from shared.dead_letters.selection import Selection


async def purge(
    url: SecretStr,
    selection: Selection,
    *,
    expired_by: Fates | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Remove the letters that are meant and are there now; how many. Raise as `reading` and `Fates` do.

    With `expired_by` only those whose attachment is past its deadline; all others stay.
    """
    removed = seen = 0

    async def remove(letters: Sequence[Letter]) -> Sequence[Verdict]:
        nonlocal removed, seen
        fates = [Fate.EXPIRED] * len(letters) if expired_by is None else await expired_by.of(letters)
        verdicts = [
            Verdict.REMOVE if selection.has(letter) and fate is Fate.EXPIRED else Verdict.KEEP
            for letter, fate in zip(letters, fates, strict=True)
        ]
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
