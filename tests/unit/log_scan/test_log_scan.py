"""The scanner itself: each kind of thing that it looks for, planted, is found; and innocent lines are let be."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.log_scan import Scanner
from whatsapp_simulator import ADA, SAMPLES, Simulator

SETTINGS = {
    "WHATSAPP_APP_SECRET": "0123456789abcdef0123456789abcdef,fedcba9876543210fedcba9876543210",
    "WHATSAPP_VERIFY_TOKEN": "a-verify-token-of-ours",
    "WHATSAPP_ACCESS_TOKEN": "EAAGexampleAccessToken1234",
    "CREDENTIALS_ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "FILES_SIGNING_SECRET": "signing-secret-of-thirty-two-bytes",
    "OPERATOR_TOKEN": "operator-token-16",
    "ADMIN_TOKEN": "admin-token-16-ch",
    "RABBITMQ_URL": "amqp://attache:pa55word-1@rabbitmq:5672/",
    "MONGODB_URI": "mongodb://attache:pa55word-2@mongodb:27017",
    "STORAGE_URL": "uploads",
}
CAPTION, FILE_NAME = 'Broken "pipe", see photo', str(SAMPLES["pdf"].filename)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJrZXkiOiJpbmNvbWluZy8xIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


@pytest.fixture
def scanner() -> Scanner:
    """One that knows a deployment's settings, and what one customer sent."""
    simulator = Simulator(app_secret="unused")
    attachment = simulator.attachment(simulator.add_sample("pdf"), caption=CAPTION)
    return Scanner().knowing_settings(SETTINGS).after([simulator.message(attachment, sender=ADA)])


def line(text: str) -> str:
    return json.dumps({"event": "something.happened", "level": "info", "reason": f"before {text} after"})


PLANTED = (
    ("an app secret", "fedcba9876543210fedcba9876543210"),
    ("a verify token", "a-verify-token-of-ours"),
    ("an access token", "EAAGexampleAccessToken1234"),
    ("an encryption key", SETTINGS["CREDENTIALS_ENCRYPTION_KEY"]),
    ("a signing secret", SETTINGS["FILES_SIGNING_SECRET"]),
    ("a bearer token", "operator-token-16"),
    ("a bearer token", "admin-token-16-ch"),
    ("a password", "pa55word-1"),
    ("a password", "pa55word-2"),
    ("a phone number", ADA.wa_id),
    ("a phone number", f"+{ADA.wa_id}"),
    ("a phone number", "15550100001"),
    ("a name", ADA.name),
    ("a caption", CAPTION),
    ("a file name", FILE_NAME),
    ("a file name", quote(FILE_NAME)),
    ("a user id", ADA.user_id),
    ("something like a JWT", JWT),
    ("something like a bearer token", "Authorization: Bearer somebody-elses-token"),
    ("something like a bearer token", "bearer.somebody-elses-token"),
    ("something like an access token of Meta", "EAAnobodyKnowsThisOne1234567890"),
    ("a link to a file", f"GET /media/{JWT}/photo.jpg"),
    ("a link to a file at Meta", "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&hash=abc"),
    ("a password in a URL", "amqp://somebody:something@host/"),
)


@pytest.mark.parametrize(("what", "planted"), PLANTED)
def test_what_is_planted_is_found(scanner: Scanner, what: str, planted: str | None) -> None:
    assert planted

    found = scanner.leaks({"a log": f"{line('nothing')}\n{line(planted)}\n"})

    assert what in {leak.what for leak in found}
    assert {leak.where for leak in found} == {"a log"}


@pytest.mark.parametrize(
    "innocent",
    [
        "wamid.HBgLMTU1NTAxMDc3NzcVAgASGBQzQTdCMTIzNDU2Nzg5MEFCQ0RFRgA=",
        "metadata of an adapter",
        "GET /media/{token}/{fileName}",
        "/media/[redacted]/photo.jpg",
        "Bearer [redacted]",
        "amqp://attache:[redacted]@rabbitmq:5672/",
        "amqp://guest:guest@127.0.0.1:5672/",
        "the token was refused; bearer tokens have 16 characters",
        "phone number id 106540352242922",
    ],
)
def test_innocent_lines_are_let_be(scanner: Scanner, innocent: str) -> None:
    assert scanner.leaks({"a log": line(innocent)}) == []


def test_every_file_below_a_folder_is_looked_at(scanner: Scanner, tmp_path: Path) -> None:
    deep = tmp_path / "stderr" / "rabbitmq.log"
    deep.parent.mkdir()
    (tmp_path / "ingestor.log").write_text(line("nothing"))
    deep.write_bytes(b"\xff\xfe not UTF-8, and then a-verify-token-of-ours")

    assert [(leak.where, leak.what) for leak in scanner.leaks_below(tmp_path)] == [
        ("stderr/rabbitmq.log", "a verify token")
    ]
    assert scanner.leaks_below(tmp_path, apart_from=[deep]) == []


def test_a_scan_of_nothing_is_no_proof(scanner: Scanner, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing to look at"):
        scanner.leaks_below(tmp_path)
