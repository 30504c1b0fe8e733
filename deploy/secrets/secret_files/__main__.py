"""`python -m secret_files [FOLDER]` makes them; `python -m secret_files hand-out FROM TO` runs in Compose."""

import sys
from pathlib import Path

from secret_files.handing_out import NotHandedOut, hand_out
from secret_files.making import NotMade, make

_HAND_OUT = 3
"""How many arguments `hand-out FROM TO` are."""


def main(arguments: list[str]) -> None:
    """Exit with 1 and a sentence when it cannot be done."""
    try:
        if len(arguments) == _HAND_OUT and arguments[0] == "hand-out":
            hand_out(Path(arguments[1]), Path(arguments[2]))
        else:
            sys.stdout.write(make(Path(arguments[0] if arguments else "secrets")))
    except (NotMade, NotHandedOut) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
