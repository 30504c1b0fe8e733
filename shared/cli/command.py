"""The name of this program, for messages that say which command to give next."""

import shlex
import shutil
import sys
from pathlib import Path

_NAME = "attache"


def attache() -> str:
    """`attache` where that is found; else the path that it was called by, such as `.venv/bin/attache`."""
    called = sys.argv[0]
    if Path(called).name != _NAME or shutil.which(_NAME) == called:
        return _NAME
    return shlex.quote(called)
