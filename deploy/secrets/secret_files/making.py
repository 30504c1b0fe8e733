"""`make secrets`: what is missing is made, what is there is never touched."""

import os
from pathlib import Path

from secret_files.catalogue import FOR_META, FROM_META, MADE

_TO_DO = """\
For a person to do:
  {folder}/{app_secret}    is made up: put in the app secret of your app (Meta's App Dashboard, App settings, Basic).
                                 Until then every webhook from Meta is answered 401.
  {folder}/{verify_token}  is the word to type in at Meta, beside the webhook's address.
A changed file counts when its services start anew; docs/operations.md says which.
Keep a copy of {folder}/credentials_encryption_key apart from backups: without it saved access tokens are lost.
"""


class NotMade(Exception):
    """The reason, for the person at the terminal."""


def make(folder: Path) -> str:
    """Make every secret that has no file in `folder`, readable by its owner only; say what was made and what to do."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        made = [name for name, new in MADE.items() if _make(folder / name, new())]
    except OSError as error:
        msg = f"{error.filename or folder} cannot be made: {error.strerror}."
        raise NotMade(msg) from error
    if not made:
        return f"Nothing to make: all {len(MADE)} secrets are in {folder}/ already.\n"
    lines = [f"Made in {folder}/, readable by you only:", *(f"  {name}" for name in made)]
    to_do = _TO_DO.format(folder=folder, app_secret=FROM_META, verify_token=FOR_META)
    return "\n".join(lines) + "\n" + (to_do if {FROM_META, FOR_META} & set(made) else "")


def _make(file: Path, content: str) -> bool:
    """False when there is such a file: it may be the only copy of something that cannot be had again."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"{content}\n")
    return True
