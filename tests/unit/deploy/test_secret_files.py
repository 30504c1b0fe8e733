"""`make secrets`, and what the one-shot service of docker-compose.yml does with its work."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

import ingestor.settings
import media_server.settings
import previewer.settings
import webhook_gateway.settings
from secret_files.catalogue import MADE, OPTIONAL, RECEIVERS, Receiver
from secret_files.handing_out import NotHandedOut, hand_out
from secret_files.making import NotMade, make
from shared.settings import ServiceSettings, load_settings

ROOT = Path(__file__).parents[3]
SETTINGS: dict[str, type[ServiceSettings]] = {
    "webhook-gateway": webhook_gateway.settings.Settings,
    "ingestor": ingestor.settings.Settings,
    "previewer": previewer.settings.Settings,
    "media-server": media_server.settings.Settings,
}
OURS = {name: Receiver(receiver.names, os.getuid()) for name, receiver in RECEIVERS.items()}
"""As in the catalogue, but for the user of this test: only root can give files away."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The volumes, which exist before anything is written into them."""
    for service in RECEIVERS:
        (tmp_path / "to" / service).mkdir(parents=True)
    return tmp_path / "to"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make(tmp_path / "secrets")
    return tmp_path / "secrets"


def test_every_secret_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    told = make(tmp_path / "secrets")

    assert {file.name for file in (tmp_path / "secrets").iterdir()} == set(MADE)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    for file in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.name in told
        assert file.read_text().strip() not in told


def test_no_two_secrets_and_no_two_runs_are_alike(tmp_path: Path) -> None:
    make(tmp_path / "one")
    make(tmp_path / "two")

    values = [file.read_text() for folder in ("one", "two") for file in (tmp_path / folder).iterdir()]
    assert len(values) == len(set(values)) == 2 * len(MADE)


def test_what_is_there_is_never_touched(made: Path) -> None:
    (made / "whatsapp_app_secret").write_text("the real one")
    (made / "operator_token").write_text("")  # begun by a person
    (made / "admin_token").unlink()
    before = {file.name: file.read_text() for file in made.iterdir()}

    told = make(made)

    assert {name: (made / name).read_text() for name in before} == before
    assert "admin_token" in told
    assert "operator_token" not in told
    assert make(made).startswith("Nothing to make")


def test_it_says_what_only_a_person_can_put_in(tmp_path: Path) -> None:
    told = make(tmp_path / "secrets")

    assert "App Dashboard" in told
    assert str(tmp_path / "secrets/whatsapp_app_secret") in told
    assert str(tmp_path / "secrets/whatsapp_verify_token") in told


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NotMade, match="cannot be made"):
        make(tmp_path / "file" / "secrets")


def test_make_secrets_needs_nothing_but_python(tmp_path: Path) -> None:
    """No .venv, no package: -S leaves out all that is installed, -E what the shell says."""
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-S", "-m", "secret_files", str(tmp_path / "secrets")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "deploy/secrets")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert run.stdout.startswith(f"Made in {tmp_path / 'secrets'}/")


@pytest.mark.parametrize("service", SETTINGS)
def test_a_service_starts_with_what_is_handed_to_it(
    service: str, made: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every secret that its part of docker-compose.yml names is there, and good enough for its settings."""
    hand_out(made, target, OURS)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    given = {name: value for name, value in compose["services"][service]["environment"].items() if "_FILE" in name}
    assert {Path(value).name for value in given.values()} == set(RECEIVERS[service].names)
    for name in SETTINGS[service].model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(target / service)))

    settings = load_settings(SETTINGS[service])

    url = urlsplit(settings.rabbitmq_url.get_secret_value())
    assert (url.hostname, url.username) == ("rabbitmq", "attache")
    assert url.password == (made / "rabbitmq_password").read_text().strip()


def test_each_container_gets_its_own_secrets_and_no_other(made: Path, target: Path) -> None:
    hand_out(made, target, OURS)

    for service, receiver in RECEIVERS.items():
        assert {file.name for file in (target / service).iterdir()} == set(receiver.names)
    assert not set(RECEIVERS["webhook-gateway"].names) & {"mongodb_uri", "credentials_encryption_key", "admin_token"}
    assert not set(RECEIVERS["previewer"].names) - {"rabbitmq_url", "mongodb_uri", "otel_exporter_otlp_headers"}
    assert [name for name, receiver in RECEIVERS.items() if "whatsapp_app_secret" in receiver.names] == [
        "webhook-gateway",
        "simulator",
    ]


def test_our_containers_secrets_are_for_their_user_alone(made: Path, target: Path) -> None:
    hand_out(made, target, OURS | {"mongodb": RECEIVERS["mongodb"]})

    assert {stat.S_IMODE(file.stat().st_mode) for file in (target / "ingestor").iterdir()} == {0o400}
    assert {stat.S_IMODE(file.stat().st_mode) for file in (target / "mongodb").iterdir()} == {0o444}
    assert {name for name, receiver in RECEIVERS.items() if receiver.user_id is None} == {
        "rabbitmq",
        "mongodb",
        "grafana",
    }


def test_a_changed_password_is_handed_out_everywhere_at_once(made: Path, target: Path) -> None:
    hand_out(made, target, OURS)
    (made / "rabbitmq_password").write_text("another-one.2\n")

    hand_out(made, target, OURS)

    for service in SETTINGS:
        assert urlsplit((target / service / "rabbitmq_url").read_text()).password == "another-one.2"
    assert "default_pass = another-one.2\n" in (target / "rabbitmq/default_user.conf").read_text()


@pytest.mark.parametrize("password", ["p@ssword", "pass word", "pass#word", "päss", "a\nb"])
def test_a_password_that_cannot_stand_in_an_address_is_refused(password: str, made: Path, target: Path) -> None:
    (made / "mongodb_password").write_text(password)

    with pytest.raises(NotHandedOut, match="secrets/mongodb_password holds more than") as refused:
        hand_out(made, target, OURS)
    assert password not in str(refused.value)


def test_what_is_not_handed_out_any_more_goes(made: Path, target: Path) -> None:
    (target / "previewer/admin_token").write_text("of an earlier version")

    hand_out(made, target, OURS)

    assert not (target / "previewer/admin_token").exists()


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_secret_that_is_missing_or_empty_stops_the_start_with_a_sentence(
    content: str | None, made: Path, target: Path
) -> None:
    (made / "admin_token").unlink()
    if content is not None:
        (made / "admin_token").write_text(content)

    with pytest.raises(NotHandedOut, match=r"secrets/admin_token .*make secrets"):
        hand_out(made, target, OURS)


@pytest.mark.parametrize("content", [None, ""])
def test_the_previous_signing_secret_and_the_key_of_the_collector_may_be_missing(
    content: str | None, made: Path, target: Path
) -> None:
    for name in OPTIONAL:
        if content is not None:
            (made / name).write_text(content)

    hand_out(made, target, OURS)

    assert OPTIONAL == ("files_signing_secret_previous", "otel_exporter_otlp_headers")
    assert (target / "media-server/files_signing_secret_previous").read_text() == ""
    assert {(target / service / "otel_exporter_otlp_headers").read_text() for service in SETTINGS} == {""}


def test_the_key_of_the_collector_reaches_every_service_and_nobody_else(made: Path, target: Path) -> None:
    (made / "otel_exporter_otlp_headers").write_text("api-key=k3y\n")

    hand_out(made, target, OURS)

    handed = {
        file.parent.name for file in target.glob("*/otel_exporter_otlp_headers") if file.read_text() == "api-key=k3y"
    }
    assert handed == set(SETTINGS)
