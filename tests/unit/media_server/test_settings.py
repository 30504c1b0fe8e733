import pytest
from cryptography.fernet import Fernet

from media_server.settings import Settings
from shared.settings import load_settings

GOOD = {
    "CREDENTIALS_ENCRYPTION_KEY": f"{Fernet.generate_key().decode()}, {Fernet.generate_key().decode()}",
    "FILES_SIGNING_SECRET": "s" * 32,
    "OPERATOR_TOKEN": "operator-token-1",
    "ADMIN_TOKEN": "admin-token-1234",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*(field.upper() for field in Settings.model_fields),):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        load_settings(Settings)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_the_required_settings_are_enough(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(Settings)

    assert (settings.port, settings.files_url_ttl_seconds) == (8081, 900)
    assert len(settings.credentials_encryption_key) == 2


def test_everything_that_is_missing_is_named_at_once(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in GOOD:
        environment.delenv(name)

    message = refusal(capsys)

    assert all(f"{name}: is missing; expected" in message for name in GOOD)


def test_everything_that_is_wrong_is_named_at_once_and_no_secret_is_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "CREDENTIALS_ENCRYPTION_KEY": "not-a-fernet-key",
        "FILES_SIGNING_SECRET": "too-short-a-secret",
        "FILES_SIGNING_SECRET_PREVIOUS": "-----BEGIN PUBLIC KEY-----" + "x" * 32,
        "OPERATOR_TOKEN": "short-token",
        "ADMIN_TOKEN": "short-token",
        "FILES_URL_TTL_SECONDS": "0",
        "MEDIA_ACCEL_REDIRECT": "files",
        "PORT": "eighty",
    }
    for name, value in wrong.items():
        environment.setenv(name, value)

    message = refusal(capsys)

    assert all(f"  {name}: " in message for name in wrong)
    assert "is the same as OPERATOR_TOKEN" in message
    assert "too-short-a-secret" not in message
    assert "short-token" not in message


def test_one_token_cannot_be_both_roles(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("ADMIN_TOKEN", GOOD["OPERATOR_TOKEN"])

    assert "ADMIN_TOKEN: is the same as OPERATOR_TOKEN" in refusal(capsys)


@pytest.mark.parametrize("token", ["sixteen and more characters", "sechzehn-zeichen-ü"])
def test_a_token_that_no_header_can_carry_is_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    environment.setenv("OPERATOR_TOKEN", token)

    assert "OPERATOR_TOKEN: the value is not right" in refusal(capsys)
