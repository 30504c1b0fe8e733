"""The Docker command, for tests."""

import shutil
import subprocess

_SECONDS = 600


def docker(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """What the command says on standard output, without the last line break. Fails with what it says of an error."""
    ran = subprocess.run(  # noqa: S603 - our own arguments
        ["docker", *arguments],  # noqa: S607 - wherever it is
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert not check or ran.returncode == 0, f"docker {' '.join(arguments)}: {ran.stdout}{ran.stderr}"
    return ran.stdout.strip()


def why_not() -> str | None:
    """Why no Compose project can be run here, in a few words; None when it can."""
    if shutil.which("docker") is None:
        return "there is no docker command on the PATH"
    for arguments in (("version", "--format", "{{.Server.Version}}"), ("compose", "version")):
        ran = subprocess.run(  # noqa: S603 - our own arguments
            ["docker", *arguments],  # noqa: S607 - wherever it is
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            return (ran.stderr.strip().splitlines() or [f"docker {arguments[0]} ended with {ran.returncode}"])[-1]
    return None


def images() -> frozenset[str]:
    """All that are on this machine, as `name:tag`."""
    return frozenset(docker("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines())
