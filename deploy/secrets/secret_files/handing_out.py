"""What the one-shot service `secrets` does: a copy of each secret for the containers that need it, and for no other.

Compose mounts a secret's file with the owner and mode that it has on this machine, so a container that runs as another
user cannot read it (ADR 12).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from secret_files.catalogue import DERIVED, FITS_ANYWHERE, OPTIONAL, RECEIVERS, Receiver


class NotHandedOut(Exception):
    """The reason, for the person who reads the container's log."""


def hand_out(source: Path, target: Path, receivers: Mapping[str, Receiver] = RECEIVERS) -> None:
    """Write `target/<service>/<name>` for every receiver; what is no longer a receiver's is removed."""
    for service, receiver in receivers.items():
        folder = target / service
        for name in receiver.names:
            _write(folder / name, _content(source, name), receiver.user_id)
        for stale in set(folder.iterdir()) - {folder / name for name in receiver.names}:
            stale.unlink()


def _content(source: Path, name: str) -> str:
    if name in DERIVED:
        return _derived(source, *DERIVED[name])
    try:
        content = (source / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        if name in OPTIONAL:
            return ""
        msg = f"secrets/{name} is missing. Make it with: make secrets"
        raise NotHandedOut(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"secrets/{name} cannot be read: {type(error).__name__}."
        raise NotHandedOut(msg) from error
    if not content and name not in OPTIONAL:
        msg = f"secrets/{name} is empty. Put the secret in, or remove the file and call: make secrets"
        raise NotHandedOut(msg)
    return content


def _derived(source: Path, name: str, pattern: str) -> str:
    content = _content(source, name)
    if not FITS_ANYWHERE.fullmatch(content):
        msg = (
            f"secrets/{name} holds more than letters, digits and . _ ~ -, but it is part of an address. Choose another."
        )
        raise NotHandedOut(msg)
    return pattern.format(content)


def _write(file: Path, content: str, user_id: "int | None") -> None:
    """Under another name first, so that a container that starts meanwhile finds the old one or the new one."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(content)
        os.fchmod(descriptor, 0o444 if user_id is None else 0o400)
        if user_id is not None:
            os.fchown(descriptor, user_id, user_id)
    new.replace(file)
