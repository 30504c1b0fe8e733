import os
import stat
import subprocess
from pathlib import Path

import pytest

from local_stack.errors import NotInstalled
from local_stack.mongodb import find_mongod
from local_stack.rabbitmq_install import find_rabbitmq


def test_mongod_comes_from_the_wheel_and_can_be_run() -> None:
    mongod = find_mongod()

    assert mongod.parts[-4:] == ("fiftyone", "db", "bin", "mongod")
    assert os.access(mongod, os.X_OK)
    version = subprocess.run([mongod, "--version"], capture_output=True, check=True)  # noqa: S603 - what is tested
    assert b"db version v6" in version.stdout


def test_without_the_wheel_a_mongod_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mongod = _executable(tmp_path / "mongod")
    monkeypatch.setattr("local_stack.mongodb.WHEELS", ())
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_mongod() == mongod


def test_without_any_mongod_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_stack.mongodb.WHEELS", ())
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(NotInstalled, match=r"requirements/local\.txt"):
        find_mongod()


def test_the_scripts_that_switch_to_another_user_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrappers, scripts = tmp_path / "sbin", tmp_path / "bin"
    _executable(wrappers / "rabbitmq-server")
    script = _executable(scripts / "rabbitmq-server")
    monkeypatch.setattr("local_stack.rabbitmq_install.FOLDERS", ())
    monkeypatch.setattr("local_stack.rabbitmq_install.SWITCHES_USER", (str(wrappers),))
    monkeypatch.setenv("PATH", f"{wrappers}{os.pathsep}{scripts}")

    assert find_rabbitmq() == script


def _executable(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
