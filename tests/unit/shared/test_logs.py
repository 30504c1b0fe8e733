import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from shared.logs import REDACTED, configure_logging
from shared.settings import ServiceSettings

SECRET = "EAAGexampleAccessToken1234"


class Sample(ServiceSettings):
    access_token: SecretStr = SecretStr(SECRET)
    pin: SecretStr = SecretStr("1234")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configure() -> None:
    configure_logging(Sample(log_format="json", log_level="info"), service="ingestor")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    written = capsys.readouterr()
    assert written.err == ""
    return [json.loads(line) for line in written.out.splitlines()]


def test_one_json_object_a_line_with_the_fields_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    log = structlog.get_logger("any")

    with structlog.contextvars.bound_contextvars(correlationId="abc", attempt=2):
        log.info("message_media_updated", mediaId="m1", previousStatus=None, text="two\nlines, ä…")
    log.warning("another")
    logging.getLogger("some.package").warning("a third")

    first, second, third = lines(capsys)
    assert first | {"timestamp": ""} == {
        "event": "message_media_updated",
        "level": "info",
        "timestamp": "",
        "service": "ingestor",
        "correlationId": "abc",
        "attempt": 2,
        "mediaId": "m1",
        "previousStatus": None,
        "text": "two\nlines, ä…",
    }
    assert first["timestamp"].endswith("Z")
    assert second["level"] == "warning"
    assert second["correlationId"] not in {"", "abc"}, "a line of no webhook has the id of this run of the service"
    assert third["correlationId"] == second["correlationId"]


def test_libraries_speak_the_same_way_and_not_too_much(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logging.getLogger("some.package").warning("took %d s", 5, extra={"queue": "q"})
    logging.getLogger("aio_pika.connection").info("inner life")
    logging.getLogger("some.package").debug("below the level")

    (only,) = lines(capsys)
    assert only["event"] == "took 5 s"
    assert only["queue"] == "q"
    assert only["service"] == "ingestor"


@pytest.mark.parametrize(
    "text",
    [
        f"the token {SECRET} is refused",
        f"Authorization: Bearer {SECRET}x.y-z",
        "attache.v1, bearer.abcdefgh12345678",
        "GET /media/eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl/photo.jpg",
        "amqp://user:hunter2hunter2@host:5672/",
        "mongodb://user:hunter2hunter2@a:1,b:2/?x=1",
    ],
)
def test_secrets_are_blanked_wherever_they_stand(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    log = structlog.get_logger()
    log.info("a", reason=text)
    log.info("b", nested={"deep": [text, {"deeper": (text,)}]})
    log.info("c", thing=ValueError(text))
    log.info(text)
    logging.getLogger("library").warning("%s", text)

    written = capsys.readouterr().out
    assert len(written.splitlines()) == 5
    for secret in (SECRET, "abcdefgh12345678", "eyJhbGciOi", "c2lnbmF0dXJl", "hunter2"):
        assert secret not in written
    assert written.count(REDACTED) >= 6


def test_what_is_not_secret_stays(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    structlog.get_logger().info("pin 1234 is short", path="/media/", host="amqp://host:5672/", port=5672, ok=True)

    (only,) = lines(capsys)
    assert only["event"] == "pin 1234 is short"
    assert (only["path"], only["host"], only["port"], only["ok"]) == ("/media/", "amqp://host:5672/", 5672, True)


def test_private_keys_are_blanked_whatever_they_hold(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    private = {
        "caption": "Happy birthday",
        "fileName": "Ada.pdf",
        "waId": 15550102030,
        "access_token": "short",
        "headers": {"a": "b"},
        "sender": ["Ada"],
        "url": "https://lookaside.fbsbx.com/x",
    }
    structlog.get_logger().info("received", **private, nested={"name": "Ada"}, userId=None)

    (only,) = lines(capsys)
    assert {only[key] for key in private} == {REDACTED}
    assert only["nested"] == {"name": REDACTED}
    assert only["userId"] is None


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_tracebacks_are_told_and_redacted(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Sample(log_format=log_format), service="ingestor")
    log = structlog.get_logger()

    def fail(token: str) -> None:
        raise RuntimeError(f"failed with {token}")

    try:
        fail(SECRET)
    except RuntimeError as error:
        kept = error
        log.exception("inside")
        logging.getLogger("library").exception("foreign")
    log.error("outside", exc_info=kept)

    written = capsys.readouterr()
    assert written.err == ""
    assert SECRET not in written.out
    assert written.out.count("RuntimeError: failed with") == 3
    assert written.out.count("test_logs.py") >= 3


def test_half_a_character_does_not_lose_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON from outside may hold lone surrogates, which no stream can write."""
    configure()
    structlog.get_logger().info("received", messageId="wamid.\ud83d", count=1)

    out = capsys.readouterr().out
    assert json.loads(out)["count"] == 1
    assert out.encode()
