from pathlib import Path

import pytest
from typer.testing import CliRunner

from local_stack.__main__ import app
from local_stack.errors import SettingsMissing
from local_stack.run import read_settings


def test_without_a_settings_file_the_message_says_how_to_make_one_and_names_every_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingsMissing) as error:
        read_settings(tmp_path / ".env")

    for expected in (
        "cp .env.example .env",
        "WHATSAPP_APP_SECRET",
        "WHATSAPP_VERIFY_TOKEN",
        "CREDENTIALS_ENCRYPTION_KEY",
        "FILES_SIGNING_SECRET",
        "OPERATOR_TOKEN",
        "ADMIN_TOKEN",
    ):
        assert expected in str(error.value)


def test_settings_come_from_the_file_and_a_shell_variable_of_the_same_name_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("WHATSAPP_APP_SECRET=a$b\nLOG_LEVEL=info\nPREFETCH=\n")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("WHATSAPP_VERIFY_TOKEN", "not in the file")

    assert read_settings(file) == {"WHATSAPP_APP_SECRET": "a$b", "LOG_LEVEL": "debug"}


def test_the_addresses_of_servers_that_are_embedded_here_are_not_taken_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("RABBITMQ_URL=amqp://broker/\nMONGODB_URI_FILE=/run/secrets/uri\nPORT=1\n")

    assert read_settings(file) == {}


def test_the_command_without_settings_ends_with_the_exit_code_for_wrong_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, ["run"])

    assert result.exit_code == 2
    assert "cp .env.example .env" in result.stderr
    assert not (tmp_path / ".local").exists()
