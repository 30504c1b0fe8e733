"""What a run has written, all of it, looked through for what no log and no metric may show."""

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp

from tests.chaos.actions import SIDES
from tests.chaos.world import Site, World
from tests.log_scan import Scanner

_ANSWER_LIMIT = aiohttp.ClientTimeout(total=10)


async def keep_metrics(world: World) -> None:
    """Put what each service tells Prometheus now beside the logs."""
    async with aiohttp.ClientSession(timeout=_ANSWER_LIMIT) as client:
        for stack in world.stacks.values():
            for name in stack.names:
                async with client.get(f"{stack.url(name)}/metrics") as answer:
                    text = await answer.text()
                await asyncio.to_thread((world.site.folder / "logs" / f"{name}.metrics").write_text, text)


def leaks(site: Site) -> Counter[str]:
    """By where, what and in which words. Looks at the servers' logs and every standard error, too."""
    found: Counter[str] = Counter()
    scanner = scanner_of(site)
    if not any((site.folder / "logs").glob("*.metrics")):
        found["no metrics were kept, so nobody looked at them"] += 1
    for folder in _folders(site.folder):
        for leak in scanner.leaks_below(folder):
            found[f"{folder.relative_to(site.folder) / leak.where}: {leak.what}: {leak.excerpt!r}"] += 1
    return found


def scanner_of(site: Site) -> Scanner:
    """One that knows the secrets of this run, every token that there was, and all that was sent."""
    scanner = Scanner().knowing_settings(site.settings).knowing("an access token", site.operator.all_tokens)
    return scanner.after([one.message for one in site.announced])


def _folders(root: Path) -> list[Path]:
    beside = root / "rabbitmq" / "log"  # what RabbitMQ writes past the log that it was given; usually nothing
    return [root / "logs", *(root / side / "logs" for side in SIDES), *([beside] if any(beside.glob("*")) else [])]
