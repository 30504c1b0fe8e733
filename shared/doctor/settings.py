"""Where settings come from. That they are valid was seen before any check began: else nothing could begin."""

import stat
from collections.abc import Sequence
from pathlib import Path

from shared.doctor.check import Answer, fine, warning
from shared.doctor.threads import in_thread_of_its_own


async def look_at_settings(dotenv: Path) -> Sequence[Answer]:
    """What of the settings can be looked at from here."""
    return await in_thread_of_its_own(lambda: _looked_at(dotenv))


def _looked_at(dotenv: Path) -> Sequence[Answer]:
    if not dotenv.is_file():
        return [fine("valid; from the environment")]
    if dotenv.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return [warning(f"valid; but everybody on this machine can read {dotenv}", f"chmod 600 {dotenv}")]
    return [fine(f"valid; from the environment and {dotenv}")]
