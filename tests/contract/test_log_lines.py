"""Section 4 of the contract, logs: every line that the four processes wrote, and nothing in them that is personal."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from tests.contract.recorded_run import GUESSED_TOKEN, Run, scraped, text_of
from tests.contract.webhooks import PERSONAL
from tests.e2e.world import JSON, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDED = ("ready", "document", "skipped", "refused", "healed", "second try", "broken", "other number")
SECRET_SETTINGS = (
    "WHATSAPP_APP_SECRET",
    "WHATSAPP_VERIFY_TOKEN",
    "WHATSAPP_ACCESS_TOKEN",
    "CREDENTIALS_ENCRYPTION_KEY",
    "FILES_SIGNING_SECRET",
    "OPERATOR_TOKEN",
    "ADMIN_TOKEN",
)
SERVICES = ("webhook-gateway", "ingestor", "previewer", "media-server")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def shown_in_public(run: Run) -> AsyncIterator[dict[str, str]]:
    """All that operators of machines see: logs, metrics, probes, errors; by where it was seen."""
    world = run.world
    seen = {f"the log of {name}": world.stack.log(name).read_text() for name in SERVICES}
    for name in SERVICES:
        for path in ("/metrics", "/readyz", "/healthz"):
            seen[f"{path} of {name}"] = await text_of(world, name, path)
    seen["an HTTP error"] = "\n".join(run.answers)
    letters = [letter for dead in run.dead.values() for letter in dead]
    seen["the headers of a dead letter"] = "\n".join(str(letter.headers) for letter in letters)
    yield seen


def failures(run: Run, what: str) -> list[JSON]:
    """The lines of this attachment's failed attempts, in order."""
    return [
        line
        for line in run.log("ingestor")
        if line["event"] == "Failed to ingest WhatsApp media" and line["messageId"] == run.wamids[what]
    ]


@pytest.mark.parametrize("service", SERVICES)
async def test_every_line_is_one_json_object(run: Run, service: str) -> None:
    lines = run.world.stack.log(service).read_text().splitlines()

    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("field", ["event", "level", "timestamp", "service", "correlationId"])
async def test_every_line_has_the_required_fields(run: Run, field: str) -> None:
    without = {line.get("event") for line in run.log() if not isinstance(line.get(field), str) or not line[field]}

    assert without == set()


async def test_the_timestamp_is_iso_8601_utc(run: Run) -> None:
    for line in run.log():
        moment = datetime.fromisoformat(line["timestamp"])
        assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize("service", SERVICES)
async def test_the_service_is_named(run: Run, service: str) -> None:
    assert {line["service"] for line in run.log(service)} == {service}


async def test_levels_have_the_names_of_the_setting(run: Run) -> None:
    assert {line["level"] for line in run.log()} <= {"debug", "info", "warning", "error"}


async def test_lines_of_one_delivery_share_their_correlation_id(run: Run) -> None:
    (correlation_id,) = {line["correlationId"] for line in run.updates("ready")}

    assert {line["service"] for line in run.log() if line["correlationId"] == correlation_id} == {
        "webhook-gateway",
        "ingestor",
        "previewer",
        "media-server",
    }


async def test_what_the_reconciler_sets_moving_keeps_the_correlation_id_of_its_webhook(world: World) -> None:
    message = await world.send("zip", seed=9401)
    ended = await world.ended(message.id)

    world.messages.update_one({"_id": ended["_id"]}, {"$set": {"media.status": "pending"}})
    lines = await world.logged(message.id, revision=ended["media"]["revision"] + 2)

    begun = {line["correlationId"] for line in lines if line["revision"] <= ended["media"]["revision"]}
    again = {line["correlationId"] for line in lines if line["revision"] > ended["media"]["revision"]}
    found = [
        line["correlationId"]
        for line in world.stack.log_entries("ingestor")
        if line["event"] == "media.stranded" and line["messageId"] == message.id
    ]
    assert len(begun) == 1
    assert again == set(found) == begun


@pytest.mark.parametrize("what", ENDED)
async def test_message_media_updated_is_written_for_every_change_of_state(run: Run, what: str) -> None:
    lines = run.updates(what)
    document = run.document(what)

    assert [line["revision"] for line in lines] == list(range(document["media"]["revision"] + 1))
    assert [line["previousStatus"] for line in lines[2:]] == [line["status"] for line in lines[1:-1]]
    assert lines[-1]["status"] == document["media"]["status"]
    assert {line["kind"] for line in lines} == {document["kind"]}


@pytest.mark.parametrize("what", ENDED)
async def test_the_gateway_writes_message_media_updated_too(run: Run, what: str) -> None:
    first = run.updates(what)[0]

    assert first["service"] == "webhook-gateway"
    assert (first["status"], first["previousStatus"], first["revision"]) == ("pending", None, 0)


@pytest.mark.parametrize("what", ENDED)
async def test_message_id_is_the_wamid_and_media_id_is_our_id(run: Run, what: str) -> None:
    document = run.document(what)

    for line in run.updates(what):
        assert line["messageId"] == run.wamids[what]
        assert line["mediaId"] == document["_id"]
        assert line["phoneNumberId"] == document["phoneNumberId"]
        assert line.get("conversationId", document["conversationId"]) == document["conversationId"]
    assert "conversationId" in run.updates(what)[-1]


async def test_attempt_is_on_the_lines_of_an_attempt(run: Run) -> None:
    of_workers = [line for line in run.updates("second try") if line["service"] == "ingestor"]

    assert {line["attempt"] for line in of_workers} == {1, 2}


ON_EVERY_LINE = {"event", "level", "timestamp", "service", "correlationId"}
OF_THE_ATTACHMENT = {"conversationId", "messageId", "mediaId", "phoneNumberId"}
OF_A_CHANGE = {"status", "previousStatus", "revision", "kind"}


@pytest.mark.parametrize("what", ENDED)
async def test_message_media_updated_has_these_fields_and_no_others(run: Run, what: str) -> None:
    first, *later = run.updates(what)

    assert set(first) == ON_EVERY_LINE | OF_A_CHANGE | OF_THE_ATTACHMENT - {"conversationId"}
    for line in later:
        of_a_failure = {"code", "providerStatus"} if line["status"] in {"failed", "skipped"} else set()
        of_an_attempt = {"attempt"} if line["service"] in {"ingestor", "previewer"} else set()
        expected = ON_EVERY_LINE | OF_A_CHANGE | OF_THE_ATTACHMENT | of_a_failure
        assert set(line) - of_an_attempt == expected, line
        assert isinstance(line["revision"], int)
        assert line["previousStatus"] is None or isinstance(line["previousStatus"], str)


@pytest.mark.parametrize("what", ["refused", "healed", "second try"])
async def test_failed_to_ingest_whatsapp_media_has_every_field_of_the_contract(run: Run, what: str) -> None:
    types = {
        "conversationId": str,
        "messageId": str,
        "mediaId": str,
        "phoneNumberId": str,
        "providerStatus": int,
        "providerCode": int | None,
        "code": str,
        "attempt": int,
        "willRetry": bool,
    }

    for line in failures(run, what):
        assert set(line) >= ON_EVERY_LINE
        assert [name for name, expected in types.items() if not isinstance(line[name], expected)] == []
        assert line["level"] == ("warning" if line["willRetry"] else "error")


async def test_code_and_provider_status_are_there_when_failed(run: Run) -> None:
    refused, broken = run.updates("refused")[-1], run.updates("broken")[-1]

    assert (refused["code"], refused["providerStatus"]) == ("provider_auth", 401)
    assert (broken["code"], broken["providerStatus"]) == ("preview_unreadable", None)
    assert run.updates("skipped")[-1]["code"] == "media_too_large"


async def test_every_failed_ingestion_attempt_is_told(run: Run) -> None:
    assert [len(failures(run, what)) for what in ("refused", "healed", "second try", "ready")] == [1, 1, 1, 0]


async def test_failed_to_ingest_whatsapp_media_has_its_fields(run: Run) -> None:
    (line,) = failures(run, "refused")
    failure = run.document("refused")["media"]["failure"]

    assert line["conversationId"] == run.document("refused")["conversationId"]
    assert line["messageId"] == run.wamids["refused"]
    assert (line["providerStatus"], line["providerCode"]) == (401, failure["providerCode"])
    assert (line["code"], line["attempt"], line["willRetry"]) == ("provider_auth", 1, False)


async def test_failed_to_ingest_whatsapp_media_says_whether_it_is_tried_again(run: Run) -> None:
    (line,) = failures(run, "second try")

    assert (line["code"], line["attempt"], line["willRetry"]) == ("provider_unavailable", 1, True)
    assert line["providerStatus"] // 100 == 5


@pytest.mark.parametrize("personal", PERSONAL)
async def test_captions_names_and_phone_numbers_are_nowhere(shown_in_public: dict[str, str], personal: str) -> None:
    where = [place for place, text in shown_in_public.items() if personal.lower() in text.lower()]

    assert where == []


@pytest.mark.parametrize("name", SECRET_SETTINGS)
async def test_tokens_and_secrets_are_nowhere(run: Run, shown_in_public: dict[str, str], name: str) -> None:
    secret = run.world.settings[name]

    where = [place for place, text in shown_in_public.items() if secret in text]

    assert where == []


async def test_what_strangers_sent_as_a_token_is_nowhere(shown_in_public: dict[str, str]) -> None:
    assert [place for place, text in shown_in_public.items() if GUESSED_TOKEN in text] == []


async def test_signed_links_are_nowhere(run: Run, shown_in_public: dict[str, str]) -> None:
    url = (await run.world.shown(run.document("ready")["_id"]))["media"]["original"]["url"]
    _, body, _ = await run.world.fetched(url)

    assert body
    claims = url.split("/")[2].split(".")[1]
    texts = [*shown_in_public.values(), run.world.stack.log("media-server").read_text()]
    assert [text for text in texts if url in text or claims in text] == []


async def test_personal_data_is_not_hidden_in_an_encoding(shown_in_public: dict[str, str]) -> None:
    """JSON escapes and percent signs are read back; a base64 that holds one of the texts would be odd, too."""
    encoded = [b64encode(text.encode()).decode().rstrip("=") for text in PERSONAL if len(text) > 8]
    for place, text in shown_in_public.items():
        assert not [code for code in encoded if code[:-2] in text], place
        for escaped in set(re.findall(r"(?:\\u[0-9a-f]{4}){3,}", text)):
            assert json.loads(f'"{escaped}"') not in "".join(PERSONAL)


async def test_metrics_carry_no_ids(run: Run) -> None:
    ids = {run.document(what)[name] for what in run.wamids for name in ("_id", "messageId", "conversationId")}
    for service in SERVICES:
        for family in (await scraped(run.world, service)).values():
            values = {value for sample in family.samples for value in sample.labels.values()}
            assert not values & ids, family.name
