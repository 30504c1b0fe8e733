"""Which attachments a command is about: kinds and numbers, each option given once, several times or with commas."""

import re

import typer

from shared.media import MediaKind

_NUMBER = re.compile(r"\d{1,32}")


def named_kinds(given: list[str]) -> frozenset[MediaKind]:
    """What `--kind` named; none: all."""
    named = _listed(given, "--kind")
    if unknown := [each for each in named if each not in {*MediaKind}]:
        msg = f"{unknown[0]!r} is no kind; the kinds are {', '.join(MediaKind)}"
        raise typer.BadParameter(msg, param_hint="--kind")
    return frozenset(MediaKind(each) for each in named)


def named_numbers(given: list[str]) -> frozenset[str]:
    """What `--number` named; none: all."""
    named = _listed(given, "--number")
    if any(not _NUMBER.fullmatch(each) for each in named):
        msg = "a number is its phone number id at Meta, in digits, as attache instances shows it"
        raise typer.BadParameter(msg, param_hint="--number")
    return frozenset(named)


def _listed(given: list[str], option: str) -> list[str]:
    """One by one, or several with commas."""
    named = [each.strip() for text in given for each in text.split(",")]
    if "" in named:  # never taken for "all"
        raise typer.BadParameter("it is empty; leave it out for all", param_hint=option)
    return named
