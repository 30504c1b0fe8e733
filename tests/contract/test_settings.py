"""Section 1 of the contract, row by row. Names, defaults and limits are literals: they are what deployments rely on."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.settings import load_settings

KEY, OLDER_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
ALL = ("webhook_gateway", "ingestor", "previewer", "media_server")
WORKERS = ("ingestor", "previewer")
WITH_DATABASE = ("ingestor", "previewer", "media_server")

REQUIRED: Mapping[str, dict[str, str]] = {
    "webhook_gateway": {"WHATSAPP_APP_SECRET": "app-secret-of-a-test", "WHATSAPP_VERIFY_TOKEN": "verify-token"},
    "ingestor": {"CREDENTIALS_ENCRYPTION_KEY": KEY},
    "previewer": {},
    "media_server": {
        "CREDENTIALS_ENCRYPTION_KEY": KEY,
        "FILES_SIGNING_SECRET": "signing-secret-of-thirty-two-bytes",
        "OPERATOR_TOKEN": "operator-token-16",
        "ADMIN_TOKEN": "admin-token-16-ch",
    },
}

DEFAULTS: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("RABBITMQ_URL", ALL, "amqp://guest:guest@127.0.0.1:5672/"),
    ("MONGODB_URI", WITH_DATABASE, "mongodb://127.0.0.1:27017"),
    ("MONGODB_DATABASE", WITH_DATABASE, "attache"),
    ("STORAGE_URL", WITH_DATABASE, "uploads"),
    ("WEBHOOK_MAX_BODY_BYTES", ("webhook_gateway",), 4 * 1024 * 1024),
    ("WHATSAPP_GRAPH_URL", ("ingestor", "media_server"), "https://graph.facebook.com"),
    ("WHATSAPP_GRAPH_VERSION", ("ingestor", "media_server"), "v25.0"),
    ("WHATSAPP_MEDIA_HOSTS", ("ingestor",), ("fbsbx.com", "fbcdn.net")),
    ("WHATSAPP_ALLOW_HTTP_GRAPH", ("ingestor", "media_server"), False),
    ("WHATSAPP_ACCESS_TOKEN", ("ingestor",), None),
    ("WHATSAPP_PHONE_NUMBER_ID", ("ingestor",), None),
    ("MEDIA_MAX_ORIGINAL_BYTES", ("ingestor", "media_server"), 104857600),
    ("MEDIA_RETRY_DELAYS", WORKERS, (5, 30, 120, 600, 3600, 21600)),
    ("MEDIA_LIFETIME_HOURS", ("ingestor",), 168),
    ("RECONCILE_SECONDS", ("ingestor",), 30),
    ("STORAGE_MIN_FREE_BYTES", ("ingestor",), 536870912),
    ("WHATSAPP_ON_REVOKE", ("webhook_gateway", "ingestor"), "keep"),
    ("FILES_SIGNING_SECRET_PREVIOUS", ("media_server",), None),
    ("FILES_URL_TTL_SECONDS", ("media_server",), 900),
    ("MEDIA_ACCEL_REDIRECT", ("media_server",), None),
    ("HOST", ALL, "127.0.0.1"),
    ("PORT", ("webhook_gateway",), 8080),
    ("PORT", ("media_server",), 8081),
    ("PORT", ("ingestor",), 8082),
    ("PORT", ("previewer",), 8083),
    ("LOG_LEVEL", ALL, "info"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", ALL, None),
    ("OTEL_EXPORTER_OTLP_HEADERS", ALL, None),
)

SECRETS: Mapping[str, dict[str, str]] = {
    "webhook_gateway": {
        "RABBITMQ_URL": "amqp://somebody:pa55word-1@broker.example/",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=k3y-of-the-collector,tenant=one",
        "WHATSAPP_APP_SECRET": "first-app-secret",
        "WHATSAPP_VERIFY_TOKEN": "a-verify-token",
    },
    "ingestor": {
        "RABBITMQ_URL": "amqp://somebody:pa55word-1@broker.example/",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=k3y-of-the-collector,tenant=one",
        "MONGODB_URI": "mongodb://somebody:pa55word-2@database.example/",
        "CREDENTIALS_ENCRYPTION_KEY": OLDER_KEY,
        "WHATSAPP_ACCESS_TOKEN": "EAAGexampleAccessToken1234",
    },
    "previewer": {
        "RABBITMQ_URL": "amqp://somebody:pa55word-1@broker.example/",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=k3y-of-the-collector,tenant=one",
        "MONGODB_URI": "mongodb://somebody:pa55word-2@database.example/",
    },
    "media_server": {
        "RABBITMQ_URL": "amqp://somebody:pa55word-1@broker.example/",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=k3y-of-the-collector,tenant=one",
        "MONGODB_URI": "mongodb://somebody:pa55word-2@database.example/",
        "CREDENTIALS_ENCRYPTION_KEY": OLDER_KEY,
        "FILES_SIGNING_SECRET": "another-signing-secret-of-32-bytes!",
        "FILES_SIGNING_SECRET_PREVIOUS": "the-signing-secret-of-last-month!!",
        "OPERATOR_TOKEN": "another-operator-token",
        "ADMIN_TOKEN": "another-admin-token",
    },
}
BESIDE: Mapping[str, dict[str, str]] = {"WHATSAPP_ACCESS_TOKEN": {"WHATSAPP_PHONE_NUMBER_ID": "106540352242922"}}

COMMA_LISTS = (
    ("webhook_gateway", "WHATSAPP_APP_SECRET", "secret-one", "secret-two"),
    ("ingestor", "CREDENTIALS_ENCRYPTION_KEY", KEY, OLDER_KEY),
    ("media_server", "CREDENTIALS_ENCRYPTION_KEY", KEY, OLDER_KEY),
    ("ingestor", "WHATSAPP_MEDIA_HOSTS", "fbsbx.com", "cdn.example"),
    ("ingestor", "MEDIA_RETRY_DELAYS", "1", "20"),
    ("previewer", "MEDIA_RETRY_DELAYS", "1", "20"),
)

WHOLE_NUMBERS = (
    ("webhook_gateway", "WEBHOOK_MAX_BODY_BYTES"),
    ("ingestor", "MEDIA_MAX_ORIGINAL_BYTES"),
    ("media_server", "MEDIA_MAX_ORIGINAL_BYTES"),
    ("ingestor", "MEDIA_LIFETIME_HOURS"),
    ("ingestor", "RECONCILE_SECONDS"),
    ("ingestor", "STORAGE_MIN_FREE_BYTES"),
    ("media_server", "FILES_URL_TTL_SECONDS"),
    ("ingestor", "PREFETCH"),
    ("previewer", "PREFETCH"),
    ("previewer", "PREVIEW_WORKERS"),
    *((package, "PORT") for package in ALL),
)

each_secret = pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package, secrets in SECRETS.items() for name in secrets]
)


@pytest.fixture(autouse=True)
def _an_empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.isupper() and name not in {"PATH", "HOME", "TMPDIR", "LANG"}:
            monkeypatch.delenv(name)


def loaded(
    package: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, *, without: str | None = None
) -> dict[str, Any]:
    for name, value in {**REQUIRED[package], **environment}.items():
        if name != without:
            monkeypatch.setenv(name, value)
    settings = load_settings(import_module(f"{package}.settings").Settings)
    return {name.upper(): plain(getattr(settings, name)) for name in type(settings).model_fields}


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def refused(
    package: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    with pytest.raises(SystemExit) as stopped:
        loaded(package, environment, monkeypatch)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def named(message: str) -> list[str]:
    return re.findall(r"^  ([A-Z_]+): ", message, re.MULTILINE)


@pytest.mark.parametrize(
    ("package", "name", "default"),
    [(package, name, default) for name, packages, default in DEFAULTS for package in packages],
)
def test_a_setting_that_is_not_given_has_the_default_of_the_table(
    package: str, name: str, default: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loaded(package, {}, monkeypatch)[name] == default


@pytest.mark.parametrize(("package", "name"), [(p, n) for p in WORKERS for n in ("PREFETCH",)])
def test_prefetch_has_a_sensible_default(package: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2 <= loaded(package, {}, monkeypatch)[name] <= 64


def test_preview_workers_has_a_sensible_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded("previewer", {}, monkeypatch)["PREVIEW_WORKERS"] == os.cpu_count()


def test_the_gateway_needs_no_database_and_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    read = loaded("webhook_gateway", {}, monkeypatch)

    assert not {"MONGODB_URI", "MONGODB_DATABASE", "STORAGE_URL"} & set(read)


@each_secret
def test_any_secret_may_be_given_as_name_file(
    package: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRETS[package][name]}\n")
    monkeypatch.setenv(f"{name}_FILE", str(file))

    value = loaded(package, BESIDE.get(name, {}), monkeypatch, without=name)[name]

    assert value in {SECRETS[package][name], (SECRETS[package][name],)}


@each_secret
def test_name_and_name_file_together_is_an_error(
    package: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRETS[package][name]}\n")
    both = {name: SECRETS[package][name], f"{name}_FILE": str(file)} | BESIDE.get(name, {})

    message = refused(package, both, monkeypatch, capsys)

    assert named(message) == [name]
    assert f"{name}_FILE" in message
    assert SECRETS[package][name] not in message


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package, needed in REQUIRED.items() for name in needed]
)
def test_a_missing_setting_stops_the_service_with_exit_code_2_and_its_name(
    package: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(package, {name: ""}, monkeypatch, capsys)

    assert named(message) == [name]
    assert "expected" in message, "it says what would be right"


@pytest.mark.parametrize(("package", "name", "first", "second"), COMMA_LISTS)
def test_comma_lists_are_trimmed(
    package: str, name: str, first: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = loaded(package, {name: f"  {first} ,\t{second} "}, monkeypatch)[name]

    assert tuple(map(str, value)) == (first, second)


@pytest.mark.parametrize("form", ["{0},,{1}", ",{0}", "{0},", "{0}, ,{1}", ","])
@pytest.mark.parametrize(("package", "name", "first", "second"), COMMA_LISTS)
def test_comma_lists_hold_no_empty_item(
    package: str,
    name: str,
    first: str,
    second: str,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = refused(package, {name: form.format(first, second)}, monkeypatch, capsys)

    assert named(message) == [name]


@pytest.mark.parametrize("text", ["4 MiB", "4MB", "1e3", "1_000", "0x10", "+5", "-1", "1.5", "1,000", "ten", "٣"])
@pytest.mark.parametrize(("package", "name"), WHOLE_NUMBERS)
def test_byte_sizes_and_seconds_are_plain_whole_numbers(
    package: str, name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named(refused(package, {name: text}, monkeypatch, capsys)) == [name]


@pytest.mark.parametrize(("text", "is_true"), [("true", True), ("false", False)])
def test_booleans_are_true_or_false(text: str, is_true: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded("ingestor", {"WHATSAPP_ALLOW_HTTP_GRAPH": text}, monkeypatch)["WHATSAPP_ALLOW_HTTP_GRAPH"] is is_true


@pytest.mark.parametrize("text", ["1", "0", "yes", "no", "True", "FALSE", "on"])
def test_booleans_are_nothing_else(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused("ingestor", {"WHATSAPP_ALLOW_HTTP_GRAPH": text}, monkeypatch, capsys)

    assert named(message) == ["WHATSAPP_ALLOW_HTTP_GRAPH"]


@pytest.mark.parametrize(
    "url",
    [
        "collector",
        "collector:4318",
        "grpc://collector:4317",
        "http://",
        "http://c:99999",
        "http://c/?a=1",
        "http://c#a",
    ],
)
@pytest.mark.parametrize("package", ALL)
def test_a_malformed_address_of_a_collector_is_a_wrong_setting(
    package: str, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(package, {"OTEL_EXPORTER_OTLP_ENDPOINT": url}, monkeypatch, capsys)

    assert named(message) == ["OTEL_EXPORTER_OTLP_ENDPOINT"]


@pytest.mark.parametrize("text", ["k3y", "=k3y", "a=1,,b=2", "a=1,", "a b=1", "a=1\nb=2", "ä=1", "a=ö"])
@pytest.mark.parametrize("package", ALL)
def test_malformed_headers_for_a_collector_are_a_wrong_setting(
    package: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(package, {"OTEL_EXPORTER_OTLP_HEADERS": text}, monkeypatch, capsys)

    assert named(message) == ["OTEL_EXPORTER_OTLP_HEADERS"]
    assert "k3y" not in message


@pytest.mark.parametrize("text", ["a=1", "a = 1 , b=", "Authorization=Bearer k3y==", "authorization=Basic%20abc%3D"])
def test_headers_for_a_collector_are_pairs(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded("ingestor", {"OTEL_EXPORTER_OTLP_HEADERS": text}, monkeypatch)["OTEL_EXPORTER_OTLP_HEADERS"] == text


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize("package", WITH_DATABASE)
def test_cloud_storage_stops_the_service_until_it_exists(
    package: str, scheme: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(package, {"STORAGE_URL": f"{scheme}://bucket/prefix"}, monkeypatch, capsys)

    assert named(message) == ["STORAGE_URL"]


@pytest.mark.parametrize("given", ["WHATSAPP_ACCESS_TOKEN", "WHATSAPP_PHONE_NUMBER_ID"])
def test_access_token_and_phone_number_id_are_given_both_or_neither(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    both = {"WHATSAPP_ACCESS_TOKEN": "EAAGexampleAccessToken1234", "WHATSAPP_PHONE_NUMBER_ID": "106540352242922"}

    message = refused("ingestor", {given: both[given]}, monkeypatch, capsys)

    assert named(message) == [name for name in both if name != given]


def test_the_signing_secret_has_32_bytes_or_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused("media_server", {"FILES_SIGNING_SECRET": "s" * 31}, monkeypatch, capsys)

    assert named(message) == ["FILES_SIGNING_SECRET"]
    # bytes, not characters
    assert loaded("media_server", {"FILES_SIGNING_SECRET": "ü" * 16}, monkeypatch)["FILES_SIGNING_SECRET"] == "ü" * 16


@pytest.mark.parametrize("name", ["OPERATOR_TOKEN", "ADMIN_TOKEN"])
def test_the_bearer_tokens_have_16_characters_or_more(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused("media_server", {name: "t" * 15}, monkeypatch, capsys)

    assert named(message) == [name]
    assert loaded("media_server", {name: "t" * 16}, monkeypatch)[name] == "t" * 16


def test_the_bearer_tokens_are_different(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    same = {"OPERATOR_TOKEN": "one-token-for-both", "ADMIN_TOKEN": "one-token-for-both"}

    message = refused("media_server", same, monkeypatch, capsys)

    assert set(named(message)) <= {"OPERATOR_TOKEN", "ADMIN_TOKEN"}
    assert named(message)


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_log_level_and_format_are_chosen(level: str, log_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = loaded("previewer", {"LOG_LEVEL": level, "LOG_FORMAT": log_format}, monkeypatch)

    assert (read["LOG_LEVEL"], read["LOG_FORMAT"]) == (level, log_format)


@pytest.mark.parametrize("package", ALL)
def test_secrets_never_appear_in_repr(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (REQUIRED[package] | SECRETS[package] | {"WHATSAPP_PHONE_NUMBER_ID": "1"}).items():
        monkeypatch.setenv(name, value)

    settings = load_settings(import_module(f"{package}.settings").Settings)

    for text in (repr(settings), str(settings), repr(settings.model_dump())):
        for secret in ("pa55word", *SECRETS[package].values()):
            assert secret not in text


@pytest.mark.parametrize("package", ALL)
def test_a_service_starts_with_python_dash_m_and_stops_at_once_when_a_setting_is_wrong(package: str) -> None:
    wrong = REQUIRED[package] | {"PATH": os.environ["PATH"], "LOG_LEVEL": "loud", "RABBITMQ_URL": "pa55word@nowhere"}

    ended = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", package], env=wrong, capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 2
    assert sorted(named(ended.stderr)) == ["LOG_LEVEL", "RABBITMQ_URL"], "every wrong setting, in one message"
    assert "pa55word" not in ended.stderr + ended.stdout
