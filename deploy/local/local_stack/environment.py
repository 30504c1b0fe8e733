"""What a child process inherits from the shell: what programs need to run, never our settings."""

import os

_INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


def base_environment() -> dict[str, str]:
    """The part of this program's environment that every child gets.

    A variable left over in the developer's shell (HOST, RABBITMQ_URL, a token) must not change what a stack does.
    """
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}
