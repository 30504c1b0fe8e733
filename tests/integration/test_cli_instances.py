"""`attache instances` and `attache instance-set`, as an operator types them."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from pymongo import MongoClient

from shared.errors import CredentialError, ErrorCode
from shared.events import InstanceUpdated, decode
from shared.repository.mongo import connect
from shared.repository.refusals import Refusals
from tests.amqp import onlooker, running_broker

ATTACHE = Path(sys.executable).with_name("attache")
TOKEN = "EAAmade-up-access-token-1234"


@pytest.fixture
def settings(mongodb_uri: str, mongodb_database: str, broker_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "COLUMNS": "200",
        "RABBITMQ_URL": broker_url,
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": mongodb_database,
        "CREDENTIALS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }


def attache(
    *arguments: str, settings: dict[str, str], stdin: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [ATTACHE, *arguments], env=settings, input=stdin, capture_output=True, text=True, timeout=30, cwd=folder
    )


def test_a_token_from_standard_input_is_saved_encrypted_and_never_shown(settings: dict[str, str]) -> None:
    saved = attache("instance-set", "200300400500600", "--name", "Support", settings=settings, stdin=f"{TOKEN}\n")
    listed = attache("instances", settings=settings)

    assert (saved.returncode, listed.returncode) == (0, 0), saved.stderr + listed.stderr
    assert "version 1" in saved.stdout
    assert "Support" in listed.stdout
    assert TOKEN not in saved.stdout + saved.stderr + listed.stdout
    with MongoClient[dict[str, Any]](settings["MONGODB_URI"]) as client:
        document = client[settings["MONGODB_DATABASE"]]["whatsapp_instances"].find_one({"_id": "200300400500600"})
    assert document is not None
    assert document["isDefault"], "the first number is the default"
    cipher = Fernet(settings["CREDENTIALS_ENCRYPTION_KEY"])
    assert cipher.decrypt(document["accessToken"]).decode() == TOKEN


def test_saving_again_keeps_the_name_and_raises_the_version(settings: dict[str, str]) -> None:
    attache("instance-set", "1", "--name", "Support", settings=settings, stdin=TOKEN)

    again = attache("instance-set", "1", settings={**settings, "WHATSAPP_ACCESS_TOKEN": f"{TOKEN}-new"})

    assert again.returncode == 0, again.stderr
    assert "Support" in again.stdout
    assert "version 2" in again.stdout


def test_the_seed_in_the_env_file_is_not_taken_for_the_new_token(settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"WHATSAPP_ACCESS_TOKEN={TOKEN}\n")

    refused = attache("instance-set", "1", settings=settings, folder=tmp_path)

    assert refused.returncode == 2
    assert "no access token came on standard input" in " ".join(refused.stderr.split()).replace("│ ", "")


async def test_saving_and_deleting_tell_the_ingestors(settings: dict[str, str], broker_url: str) -> None:
    async with running_broker(broker_url, ()), onlooker(broker_url) as outside:
        updates = await outside.bound_to("instance.updated")

        saved = await asyncio.to_thread(attache, "instance-set", "1", settings=settings, stdin=TOKEN)
        removed = await asyncio.to_thread(attache, "instance-delete", "1", settings=settings)

        assert (saved.returncode, removed.returncode) == (0, 0), saved.stderr + removed.stderr
        told = [decode(InstanceUpdated, (await outside.take(updates)).body) for _ in range(2)]
    assert told == [InstanceUpdated(phone_number_id="1", instance_version=1)] * 2
    assert "try again by themselves" in saved.stdout
    assert "there is no default instance: its attachments, and those of every other number" in removed.stdout
    assert "fail with no_instance and wait" in removed.stdout
    assert "make instance-set NUMBER=1" in removed.stdout
    assert "try again by themselves" not in removed.stdout
    assert saved.stderr == removed.stderr == ""
    again = attache("instance-delete", "1", settings=settings)
    assert (again.returncode, again.stdout) == (1, "")
    assert "make instances" in again.stderr


def test_a_number_that_is_deleted_uses_the_default_one_that_is_left(settings: dict[str, str]) -> None:
    for number in ("1", "2"):
        attache("instance-set", number, settings=settings, stdin=TOKEN)

    removed = attache("instance-delete", "2", settings=settings)

    assert removed.returncode == 0, removed.stderr
    assert "Removed 2; its media are fetched with the default instance." in removed.stdout
    assert "try again by themselves" in removed.stdout
    assert "no_instance" not in removed.stdout


def test_without_rabbitmq_it_is_saved_all_the_same_and_said(settings: dict[str, str]) -> None:
    away = {**settings, "RABBITMQ_URL": "amqp://guest:hunter2@127.0.0.1:1/"}

    saved = attache("instance-set", "1", settings=away, stdin=TOKEN)

    assert saved.returncode == 0, saved.stderr
    assert "Saved 1" in saved.stdout
    assert "RECONCILE_SECONDS" in saved.stdout
    assert "hunter2" not in saved.stdout + saved.stderr
    assert "version" in attache("instances", settings=settings).stdout


async def test_refused_numbers_are_listed_with_their_reason_until_a_token_is_saved(
    settings: dict[str, str], mongodb_uri: str, mongodb_database: str
) -> None:
    attache("instance-set", "1", settings=settings, stdin=TOKEN)
    client = connect(SecretStr(mongodb_uri))
    refused = CredentialError("Meta refuses it; save a new one", code=ErrorCode.PROVIDER_AUTH, provider_status=401)
    now = datetime(2026, 9, 21, 10, 0, tzinfo=UTC)
    assert await Refusals(client[mongodb_database]).refused(
        "1", refused, attachment_id="m1", certain=True, version=1, now=now
    )
    client.close()

    listed = attache("instances", settings=settings)
    assert "Refused by Meta" in listed.stdout
    assert "provider_auth" in listed.stdout
    assert "2026-09-21 10:00 UTC" in listed.stdout

    attache("instance-set", "1", settings=settings, stdin=f"{TOKEN}-new")
    assert "Refused" not in attache("instances", settings=settings).stdout


async def test_at_80_columns_numbers_and_codes_are_whole(
    settings: dict[str, str], mongodb_uri: str, mongodb_database: str
) -> None:
    number, code = "123456789012345678", ErrorCode.PROVIDER_PERMISSION
    attache("instance-set", number, "--name", "Support of [Berlin] " * 5, settings=settings, stdin=f"{TOKEN}-other")
    client = connect(SecretStr(mongodb_uri))
    refused = CredentialError("may not read media; give it the permission " * 3, code=code)
    assert await Refusals(client[mongodb_database]).refused(
        number, refused, attachment_id="m2", certain=True, version=1, now=datetime(2026, 9, 21, 10, 0, tzinfo=UTC)
    )
    client.close()
    known, refused_numbers = attache("instances", settings=settings | {"COLUMNS": "80"}).stdout.split("Refused by Meta")
    assert number in known, "whole at 80 columns, to be copied into NUMBER="
    assert "…ther" in known
    assert "[Berlin]" in known
    assert number in refused_numbers
    assert code in refused_numbers
    assert max(map(len, known.splitlines())) <= 80


@pytest.mark.parametrize("number", ["", "+49151"])
def test_a_number_that_is_none_is_wrong_usage(settings: dict[str, str], number: str) -> None:
    refused = attache("instance-set", number, settings=settings, stdin=TOKEN)

    assert refused.returncode == 2
    assert "digits" in refused.stderr


def test_a_database_that_is_away_is_said_and_ends_with_1(settings: dict[str, str]) -> None:
    away = {**settings, "MONGODB_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"}

    failed = attache("instances", settings=away)

    assert failed.returncode == 1
    assert "MongoDB does not answer" in failed.stderr
