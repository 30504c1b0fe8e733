"""Shows the logs of several services in one terminal, each line with the name of its service."""

import asyncio
import json
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

from rich.console import Console
from rich.text import Text

_POLL_SECONDS = 0.1
_COLOURS = ("cyan", "magenta", "yellow", "green")
_LEVEL_STYLES = {"warning": "yellow", "error": "bold red", "critical": "bold red"}
_IN_FRONT = ("timestamp", "level", "event", "service")


async def follow(logs: Mapping[str, Path], console: Console) -> None:
    """Print what is appended to the logs until cancelled."""
    width = max(map(len, logs))
    colours = dict(zip(logs, cycle(_COLOURS), strict=False))
    files = {name: path.open(errors="replace") for name, path in logs.items()}
    unfinished = dict.fromkeys(logs, "")
    try:
        while True:
            for name, file in files.items():
                *lines, unfinished[name] = (unfinished[name] + file.read()).split("\n")
                for line in lines:
                    console.print(Text(f"{name:<{width}} ", style=colours[name]) + readable(line), soft_wrap=True)
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        for file in files.values():
            file.close()


def readable(line: str) -> Text:
    """A JSON log line as a person reads it; any other line as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return Text(line)
    if not isinstance(entry, dict):
        return Text(line)
    level = str(entry.get("level", ""))
    fields = " ".join(f"{name}={value}" for name, value in entry.items() if name not in _IN_FRONT)
    return Text.assemble(
        (str(entry.get("timestamp", ""))[11:23], "dim"),
        (f" {level:<8} ", _LEVEL_STYLES.get(level, "dim")),
        (str(entry.get("event", "")), "bold"),
        (f" {fields}", "dim"),
    )
