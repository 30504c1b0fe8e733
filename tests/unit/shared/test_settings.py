from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from shared.setting_types import AccessToken, CommaList, Delays, Flag, HttpAddress, SecretList, WholeNumber
from shared.settings import Problem, load_settings
from shared.storage_settings import WorkerSettings


class Sample(WorkerSettings):
    """One setting of each kind."""

    verify_token: SecretStr = Field(min_length=4, description="a token of 4 characters")
    app_secrets: SecretList = Field(default=(), description="secrets, a comma list")
    max_bytes: WholeNumber = Field(default=10, gt=0, description="a whole number of bytes above 0")
    keep: Flag = Field(default=False, description="true or false")
    hosts: CommaList = Field(default=("a.example",), description="a comma list of hosts")
    access_token: AccessToken | None = Field(default=None, description="an access token")
    meta_url: HttpAddress | None = Field(default=None, description="an address")
    delays: Delays = Field(default=(5,), min_length=1, description="seconds, a comma list")

    @classmethod
    def contradictions(cls, given: Mapping[str, str]) -> Iterator[Problem]:
        if "HOST" in given and given.get("VERIFY_TOKEN") == given["HOST"]:
            yield "HOST", "is the same as VERIFY_TOKEN"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Sample.model_fields:
        for variable in (name.upper(), f"{name.upper()}_FILE"):
            monkeypatch.delenv(variable, raising=False)


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Sample:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(Sample)


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environment: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        loaded(monkeypatch, **environment)
    assert stopped.value.code == 2
    written = capsys.readouterr()
    assert written.out == ""
    return written.err


def test_what_is_not_given_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, VERIFY_TOKEN="secret")

    assert settings.max_bytes == 10
    assert settings.media_retry_delays == (5, 30, 120, 600, 3600, 21600)
    assert settings.rabbitmq_url.get_secret_value() == "amqp://guest:guest@127.0.0.1:5672/"
    assert settings.log_format is None


def test_an_empty_setting_counts_as_absent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert loaded(monkeypatch, VERIFY_TOKEN="secret", MAX_BYTES="", HOSTS="").max_bytes == 10

    assert "VERIFY_TOKEN: is missing" in refused(monkeypatch, capsys, VERIFY_TOKEN="")


def test_every_mistake_is_told_at_once_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(
        monkeypatch,
        capsys,
        MAX_BYTES="ten",
        KEEP="yes",
        HOSTS="a.example,,b.example",
        DELAYS="5,0",
        PORT="65536",
        LOG_LEVEL="loud",
        LOG_FORMAT="xml",
        RABBITMQ_URL="http://127.0.0.1",
        MONGODB_URI="127.0.0.1",
        MONGODB_DATABASE="a.b",
        STORAGE_URL="s3://bucket",
        MEDIA_RETRY_DELAYS="five",
    )

    names = [line.split(":")[0].strip() for line in message.splitlines() if line.startswith("  ")]
    assert sorted(names) == sorted(
        [
            "VERIFY_TOKEN",
            "MAX_BYTES",
            "KEEP",
            "HOSTS",
            "DELAYS",
            "PORT",
            "LOG_LEVEL",
            "LOG_FORMAT",
            "RABBITMQ_URL",
            "MONGODB_URI",
            "MONGODB_DATABASE",
            "STORAGE_URL",
            "MEDIA_RETRY_DELAYS",
        ]
    )
    assert "13 settings are wrong or missing" in message
    assert "MAX_BYTES: 'ten' is not right (not a whole number); expected a whole number of bytes above 0" in message
    assert "VERIFY_TOKEN: is missing; expected a token of 4 characters" in message
    assert "s3:// storage is not available in this version" in message


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("MAX_BYTES", "-1", "too small"),
        ("MAX_BYTES", "0", "too small"),
        ("PORT", "-0", "too small"),
        ("PORT", "65536", "too large"),
        ("PORT", "9" * 5000, "too large"),
        ("DELAYS", "5,-5", "too small"),
        ("DELAYS", "5,2592001", "too large"),
        ("PORT", "1.5", "not a whole number"),
        ("PORT", "-", "not a whole number"),
        ("PORT", "+8080", "not a whole number"),
        ("PORT", "\N{SUPERSCRIPT TWO}", "not a whole number"),
    ],
)
def test_a_wrong_number_is_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, reason: str
) -> None:
    message = refused(monkeypatch, capsys, VERIFY_TOKEN="secret", **{name: value})

    assert f"{name}: {value!r} is not right ({reason}); expected " in message


def test_contradictions_are_told_with_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(monkeypatch, capsys, VERIFY_TOKEN="same-thing", HOST="same-thing", KEEP="maybe")

    assert "HOST: is the same as VERIFY_TOKEN" in message
    assert "KEEP: 'maybe' is not right" in message


def test_wrong_secrets_are_named_but_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(
        monkeypatch,
        capsys,
        VERIFY_TOKEN="hu5",
        APP_SECRETS="s3cr3t-one,,s3cr3t-two",
        RABBITMQ_URL="amqp://user:pa55word@",
        MONGODB_URI="mongodb//user:pa55word@host",
    )

    assert {"VERIFY_TOKEN", "APP_SECRETS", "RABBITMQ_URL", "MONGODB_URI"} <= {
        line.split(":")[0].strip() for line in message.splitlines()
    }
    for secret in ("hu5", "s3cr3t", "pa55word"):
        assert secret not in message


def test_secrets_do_not_show_in_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, VERIFY_TOKEN="tok3n", APP_SECRETS="s3cr3t", RABBITMQ_URL="amqp://u:pa55@h/")

    for text in (repr(settings), str(settings), repr(settings.model_dump())):
        for secret in ("tok3n", "s3cr3t", "pa55"):
            assert secret not in text
    assert {"tok3n", "s3cr3t"} <= set(settings.secrets())


def test_a_secret_may_come_from_a_file_whose_last_line_end_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("from a file \r\n")
    (tmp_path / "secrets").write_text("one, two\n")

    settings = loaded(
        monkeypatch, VERIFY_TOKEN_FILE=str(tmp_path / "token"), APP_SECRETS_FILE=str(tmp_path / "secrets")
    )

    assert settings.verify_token.get_secret_value() == "from a file "
    assert [secret.get_secret_value() for secret in settings.app_secrets] == ["one", "two"]


def test_a_secret_given_twice_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("from a file")

    message = refused(monkeypatch, capsys, VERIFY_TOKEN="directly", VERIFY_TOKEN_FILE=str(tmp_path / "token"))

    assert "VERIFY_TOKEN: given twice" in message
    assert "from a file" not in message
    assert "directly" not in message


def test_a_file_that_cannot_be_read_is_told_with_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    message = refused(monkeypatch, capsys, VERIFY_TOKEN_FILE=str(tmp_path / "nowhere"), APP_SECRETS_FILE=str(tmp_path))

    assert f"VERIFY_TOKEN: VERIFY_TOKEN_FILE: {tmp_path / 'nowhere'} cannot be read: FileNotFoundError" in message
    assert "APP_SECRETS: APP_SECRETS_FILE" in message


def test_a_file_without_content_is_a_missing_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("\n")

    assert "VERIFY_TOKEN: is missing" in refused(monkeypatch, capsys, VERIFY_TOKEN_FILE=str(tmp_path / "token"))


def test_an_empty_file_name_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As container files pass on variables that nobody set."""
    settings = loaded(monkeypatch, VERIFY_TOKEN="secret", VERIFY_TOKEN_FILE="", APP_SECRETS_FILE="")

    assert settings.app_secrets == ()


def test_only_secrets_are_read_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "host").write_text("elsewhere")

    assert loaded(monkeypatch, VERIFY_TOKEN="secret", HOST_FILE=str(tmp_path / "host")).host == "127.0.0.1"


@pytest.mark.parametrize("text", ["-1", "+1", "1.0", "1_000", " 1", "0x10", "٣", "1e3", "ten"])
def test_whole_numbers_are_plain(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "MAX_BYTES: " in refused(monkeypatch, capsys, VERIFY_TOKEN="secret", MAX_BYTES=text)


@pytest.mark.parametrize("text", ["True", "yes", "1", "on", " true"])
def test_booleans_are_true_or_false(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "neither true nor false" in refused(monkeypatch, capsys, VERIFY_TOKEN="secret", KEEP=text)
    assert loaded(monkeypatch, KEEP="true").keep is True
    assert loaded(monkeypatch, KEEP="false").keep is False


def test_comma_lists_are_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, VERIFY_TOKEN="secret", HOSTS=" a.example , b.example", DELAYS="1, 2 ,3")

    assert settings.hosts == ("a.example", "b.example")
    assert settings.delays == (1, 2, 3)


@pytest.mark.parametrize("text", [",", "a,", ",a", "a,,b", " "])
def test_an_empty_item_in_a_list_is_a_mistake(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(monkeypatch, capsys, VERIFY_TOKEN="secret", HOSTS=text)

    assert "HOSTS: " in message
    assert "empty item" in message


@pytest.mark.parametrize(
    "url", ["mongodb://a:1,b:2/?replicaSet=rs", "mongodb+srv://cluster.example", "mongodb://user:p%40ss@host:27017/db"]
)
def test_mongodb_may_have_several_hosts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, VERIFY_TOKEN="secret", MONGODB_URI=url).mongodb_uri.get_secret_value() == url


@pytest.mark.parametrize(
    "url", ["amqp://", "amqp:///vhost", "amqp://host:port/", "amqp://[::1", "ampq://host/", "host"]
)
def test_a_broken_url_is_told(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "RABBITMQ_URL: " in refused(monkeypatch, capsys, VERIFY_TOKEN="secret", RABBITMQ_URL=url)


def test_an_at_sign_in_a_password_is_told_how_to_write_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(monkeypatch, capsys, VERIFY_TOKEN="secret", MONGODB_URI="mongodb://user:p@ss@host/")

    assert "%40" in message
    assert "p@ss" not in message


def test_a_file_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "uploads").write_text("")

    assert "STORAGE_URL: " in refused(monkeypatch, capsys, VERIFY_TOKEN="secret", STORAGE_URL=str(tmp_path / "uploads"))


@pytest.mark.parametrize("delays", ["0", "5,0", "5,2592001", "5,99999999999999999999"])
def test_a_delay_that_no_queue_can_have_is_told(
    delays: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "DELAYS: " in refused(monkeypatch, capsys, VERIFY_TOKEN="secret", DELAYS=delays)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "r\N{LATIN SMALL LETTER E WITH ACUTE}sum"])
def test_an_access_token_that_no_header_can_carry_is_told(
    token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(monkeypatch, capsys, VERIFY_TOKEN="secret", ACCESS_TOKEN=token)

    assert "ACCESS_TOKEN: " in message
    assert token not in message


ADDRESSES = (
    ("RABBITMQ_URL", "amqp://guest:hunter2#x@127.0.0.1:1/"),
    ("RABBITMQ_URL", "amqp://guest:hunter2[@127.0.0.1:1/"),
    ("MONGODB_URI", "mongodb://u:hunter2%zz@127.0.0.1:1"),
    ("MONGODB_URI", "mongodb+srv://u:hunter2%zz@db.example"),
    ("MONGODB_URI", "mongodb://u:hunter2/x@127.0.0.1:1"),
    ("META_URL", "http://u:hunter2@127.0.0.1:1"),
    ("META_URL", "http://:hunter2@127.0.0.1:1"),
    ("META_URL", "http://127.0.0.1:hunter2"),
    ("META_URL", "http://u:hunter2#x@127.0.0.1"),
    ("META_URL", "http://127.0.0.1?t=hunter2"),
    ("STORAGE_URL", "s3://u:hunter2@bucket"),
)


@pytest.mark.parametrize(("name", "value"), ADDRESSES)
def test_an_address_that_is_not_right_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    message = refused(monkeypatch, capsys, VERIFY_TOKEN="secret", **{name: value})

    assert f"{name}: " in message
    assert "1 setting is wrong" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "value",
    [
        "mongodb://u:p%40ss@a.example:27017,b.example:27018/?replicaSet=rs0&authSource=admin",
        "mongodb+srv://u:p%25ss@db.example/?retryWrites=true",
        "mongodb://127.0.0.1:27017/?unknownOption=1",
    ],
)
def test_what_the_driver_reads_is_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert loaded(monkeypatch, VERIFY_TOKEN="secret", MONGODB_URI=value).mongodb_uri.get_secret_value() == value
