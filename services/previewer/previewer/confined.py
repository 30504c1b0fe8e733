"""One line at the start: what keeps a decoder that was taken over from doing harm, and what does not."""

from collections.abc import Mapping

import structlog

log = structlog.get_logger(__name__)

_PARTS = ("no_new_privs", "landlock", "seccomp")
_LOST = {
    "no_new_privs": "gain rights",
    "landlock": "read and change other files",
    "seccomp": "use the network and start programs",
}
_NEXT = (
    "run the previewer on Linux 5.13 or newer, on x86-64 or aarch64, with a container runtime that does not forbid "
    "seccomp and Landlock (Docker's default profile allows both); until then let nothing else run in its container"
)


def tell_confinement(missing: Mapping[str, str]) -> None:
    """`missing`: why each part that is not in force is not."""
    active = [part for part in _PARTS if part not in missing]
    if missing:
        could = ", ".join(_LOST[part] for part in missing)
        log.warning("sandbox.not_confined", active=active, missing=dict(missing), aHostileFileCould=could, next=_NEXT)
    else:
        log.info("sandbox.confined", active=active)
