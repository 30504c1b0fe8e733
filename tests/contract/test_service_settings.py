"""Promise of the contract: a wrong or missing setting stops the service with exit 2 and one message naming them all."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest

from shared.cli.doctor_settings import DoctorSettings
from shared.settings import ServiceSettings, load_settings

ROOT = Path(__file__).parents[2]
FERNET_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

COMMON_WRONG = {
    "RABBITMQ_URL": "http://127.0.0.1:5672/",
    "PORT": "0",
    "LOG_LEVEL": "loud",
    "LOG_FORMAT": "xml",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4318",
    "OTEL_EXPORTER_OTLP_HEADERS": "a-key-without-a-name",
}
DATABASE_WRONG = {"MONGODB_URI": "127.0.0.1", "MONGODB_DATABASE": "a.b"}
STORAGE_WRONG = {"STORAGE_URL": "s3://bucket/prefix"}
WORKER_WRONG = {"MEDIA_RETRY_DELAYS": "5,,30", "PREFETCH": "0"}


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service, what it cannot start without, and every setting of it that can be wrong, wrong."""

    package: str
    required: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str]
    contradicting: dict[str, str] = field(default_factory=dict)
    """Settings of which each alone is right; the first named one is reported."""
    never_wrong: frozenset[str] = frozenset({"HOST"})

    @property
    def settings(self) -> type[ServiceSettings]:
        found: type[ServiceSettings] = import_module(f"{self.package}.settings").Settings
        return found

    @property
    def names(self) -> set[str]:
        return {name.upper() for name in self.settings.model_fields}


SERVICES = [
    Service(
        package="webhook_gateway",
        required={"WHATSAPP_APP_SECRET": "an-app-secret", "WHATSAPP_VERIFY_TOKEN": "a-verify-token"},
        wrong=COMMON_WRONG
        | {"WHATSAPP_APP_SECRET": "a,,b", "WEBHOOK_MAX_BODY_BYTES": "4 MiB", "WHATSAPP_ON_REVOKE": "delete"},
        never_wrong=frozenset({"HOST", "WHATSAPP_VERIFY_TOKEN"}),
    ),
    Service(
        package="ingestor",
        required={"CREDENTIALS_ENCRYPTION_KEY": FERNET_KEY},
        wrong=COMMON_WRONG
        | DATABASE_WRONG
        | STORAGE_WRONG
        | WORKER_WRONG
        | {
            "CREDENTIALS_ENCRYPTION_KEY": f"{FERNET_KEY},not-a-key",
            "WHATSAPP_GRAPH_URL": "ftp://graph.facebook.com",
            "WHATSAPP_GRAPH_VERSION": "25",
            "WHATSAPP_MEDIA_HOSTS": "com",
            "WHATSAPP_ALLOW_HTTP_GRAPH": "yes",
            "WHATSAPP_ACCESS_TOKEN": "EAAGexampleAccessToken1234",
            "WHATSAPP_PHONE_NUMBER_ID": "+15550100001",
            "MEDIA_MAX_ORIGINAL_BYTES": "100MB",
            "MEDIA_LIFETIME_HOURS": "0",
            "RECONCILE_SECONDS": "-1",
            "STORAGE_MIN_FREE_BYTES": "512MiB",
            "WHATSAPP_ON_REVOKE": "Erase",
        },
        contradicting={"WHATSAPP_ACCESS_TOKEN": "", "WHATSAPP_PHONE_NUMBER_ID": "106540352242922"},
        never_wrong=frozenset({"HOST", "WHATSAPP_ACCESS_TOKEN"}),
    ),
    Service(
        package="previewer",
        wrong=COMMON_WRONG
        | DATABASE_WRONG
        | STORAGE_WRONG
        | WORKER_WRONG
        | {
            "PREVIEW_WORKERS": "many",
            "PREVIEW_MAX_PIXELS": "0",
            "PREVIEW_MAX_ANIMATION_PIXELS": "30 megapixels",
            "PREVIEW_TIMEOUT_SECONDS": "301",
            "PREVIEW_MEMORY_BYTES": "1G",
        },
    ),
    Service(
        package="media_server",
        required={
            "CREDENTIALS_ENCRYPTION_KEY": FERNET_KEY,
            "FILES_SIGNING_SECRET": "s" * 32,
            "OPERATOR_TOKEN": "operator-token-0",
            "ADMIN_TOKEN": "admin-token-00000",
        },
        wrong=COMMON_WRONG
        | DATABASE_WRONG
        | STORAGE_WRONG
        | {
            "CREDENTIALS_ENCRYPTION_KEY": "not-a-key",
            "MEDIA_MAX_ORIGINAL_BYTES": "0",
            "FILES_SIGNING_SECRET": "s" * 31,
            "FILES_SIGNING_SECRET_PREVIOUS": "sh0rt",
            "FILES_URL_TTL_SECONDS": "15m",
            "OPERATOR_TOKEN": "fifteen-letters",
            "ADMIN_TOKEN": "fifteen-letterz",
            "MEDIA_ACCEL_REDIRECT": "no-slash",
            "WHATSAPP_GRAPH_URL": "ftp://graph.facebook.com",
            "WHATSAPP_GRAPH_VERSION": "25",
            "WHATSAPP_ALLOW_HTTP_GRAPH": "yes",
        },
        contradicting={"ADMIN_TOKEN": "the-same-token-twice", "OPERATOR_TOKEN": "the-same-token-twice"},
    ),
]


def of_services(services: Iterable[Service]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("service", list(services), ids=lambda service: service.package)


every_service = of_services(SERVICES)


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in SERVICES:
        for name in service.names:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(f"{name}_FILE", raising=False)


def refused(
    service: Service, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        load_settings(service.settings)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def named(message: str) -> set[str]:
    return set(re.findall(r"^  ([A-Z_]+): ", message, re.MULTILINE))


@every_service
def test_nothing_but_the_required_settings_is_needed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in service.required.items():
        monkeypatch.setenv(name, value)

    settings = load_settings(service.settings)

    assert settings.host == "127.0.0.1"


@of_services(service for service in SERVICES if service.required)
def test_the_message_names_every_missing_setting(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named(refused(service, {}, monkeypatch, capsys)) == set(service.required)


@every_service
def test_the_message_names_every_wrong_setting_and_shows_no_secret(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(service, service.required | service.wrong, monkeypatch, capsys)

    assert named(message) == set(service.wrong) - service.never_wrong
    assert set(service.wrong) | service.never_wrong == service.names, "a setting that this test does not know"
    for secret in ("not-a-key", "fifteen-letter", "s" * 31, "sh0rt", FERNET_KEY, "EAAGexample", "without-a-name"):
        assert secret not in message


@of_services(service for service in SERVICES if service.contradicting)
def test_settings_that_contradict_each_other_are_a_mistake(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(service, service.required | service.contradicting, monkeypatch, capsys)

    assert named(message) == {next(iter(service.contradicting))}


@pytest.mark.parametrize(
    ("url", "allow", "is_right"),
    [
        ("https://graph.facebook.com", "false", True),
        ("http://127.0.0.1:9000", "false", True),
        ("http://[::1]:9000", "false", True),
        ("http://localhost:9000", "false", True),
        ("http://graph.example", "false", False),
        ("http://graph.example", "true", True),
        ("http://127.0.0.1.evil.example", "false", False),
        ("https://user@graph.facebook.com", "true", False),
        ("https://graph.facebook.com/?a=b", "true", False),
        ("https://", "true", False),
        ("http://[", "false", False),
        ("https://host:99999", "false", False),
    ],
)
@pytest.mark.parametrize("package", ["ingestor", "media_server"])
def test_the_token_never_travels_in_plain_text_to_another_machine(
    package: str,
    url: str,
    allow: str,
    is_right: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caller = next(service for service in SERVICES if service.package == package)
    environment = caller.required | {"WHATSAPP_GRAPH_URL": url, "WHATSAPP_ALLOW_HTTP_GRAPH": allow}
    if is_right:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        load_settings(caller.settings)
    else:
        assert named(refused(caller, environment, monkeypatch, capsys)) == {"WHATSAPP_GRAPH_URL"}


@every_service
def test_the_real_process_stops_with_exit_code_2_and_one_message(service: Service) -> None:
    environment = {"PATH": os.environ["PATH"], "PORT": "0", "LOG_LEVEL": "loud"}

    ended = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", service.package], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 2
    assert named(ended.stderr) == {"PORT", "LOG_LEVEL", *service.required}
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_the_example_lists_every_setting_of_services_doctor_and_compose_and_no_other() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    services = set().union(*(service.names for service in SERVICES))
    doctor = {name.upper() for name in DoctorSettings.model_fields}
    compose = set(re.findall(r"\$\{([A-Z_]+):-", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))

    listed = re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE)

    assert sorted(listed) == sorted(services | doctor | compose)
