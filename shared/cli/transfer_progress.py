"""A progress bar for documents and bytes on their way, with how fast they go."""

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


def transfer_bar() -> Progress:
    """Only for people: nothing is written when stderr is no terminal. A task with `bytes=True` shows sizes."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _Amount(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class _Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        in_bytes = task.fields.get("bytes", False)
        done, total, rate = (
            decimal(int(value)) if in_bytes else str(int(value))
            for value in (task.completed, task.total or 0, task.speed or 0)
        )
        return Text(f"{done} of {total}, {rate}/s")
