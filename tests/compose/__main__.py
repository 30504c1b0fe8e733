"""`make test-compose`: the Compose file for real. Arguments are pytest's: `-k scaling` for some of it."""

import sys
from pathlib import Path

import pytest

from tests.compose.docker import why_not


def main() -> int:
    """Pytest's exit code; 1, and one sentence, where nothing of this can run."""
    if (why := why_not()) is not None:
        sys.stderr.write(f"make test-compose needs a Docker engine and Docker Compose 2: {why}\n")
        return 1
    return pytest.main([str(Path(__file__).parent), "--verbose", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
