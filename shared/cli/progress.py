"""A progress bar for whoever watches."""

from rich.console import Console
from rich.progress import Progress


def progress_bar() -> Progress:
    """Only for people: nothing is written when stderr is no terminal."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)
