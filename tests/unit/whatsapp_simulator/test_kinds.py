"""Everything that `--kind` can send, in the form of the reference's section 2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from whatsapp_simulator import ADA, KINDS, Clock, Simulator, envelope, escape

NOW = 1_790_000_000


def composed(sim: Simulator, kind: str, **options: Any) -> list[Any]:
    """The changes of one webhook with this kind."""
    payload = json.loads(escape(envelope(sim.compose(kind, **options))))
    return [change for entry in payload["entry"] for change in entry["changes"]]


def only_message(sim: Simulator, kind: str, **options: Any) -> dict[str, Any]:
    (change,) = composed(sim, kind, **options)
    (message,) = change["value"]["messages"]
    found: dict[str, Any] = message
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_can_be_sent_and_announces_its_files(kind: str) -> None:
    async with Simulator(app_secret="s", clock=Clock(source=lambda: NOW)) as sim:
        changes = composed(sim, kind, caption="here")

        text = json.dumps(changes)
        announced = [media for media in sim.media if media.id in text]
        assert changes
        assert len(announced) == len(sim.media) == KINDS[kind].attachments


async def test_a_flow_reply_holds_several_files_in_a_string(sim: Simulator) -> None:
    message = only_message(sim, "flow")

    assert message["type"] == "interactive"
    response = json.loads(message["interactive"]["nfm_reply"]["response_json"])
    assert response["flow_token"] == "order-77"
    assert [len(response[name]) for name in ("photo_picker", "document_picker")] == [2, 1]
    assert response["document_picker"][0].keys() == {"file_name", "mime_type", "sha256", "id"}


async def test_an_edit_names_the_original_and_brings_new_media(sim: Simulator) -> None:
    (change,) = composed(sim, "edit")

    original, edited = change["value"]["messages"]
    assert edited["type"] == "edit"
    assert edited["edit"]["original_message_id"] == original["id"]
    assert edited["edit"]["message"]["image"]["caption"] == "edited"
    assert edited["edit"]["message"]["image"]["id"] != original["image"]["id"]


async def test_a_revocation_names_the_original(sim: Simulator) -> None:
    (change,) = composed(sim, "revoke")

    original, revoked = change["value"]["messages"]
    assert revoked["revoke"] == {"original_message_id": original["id"]}


async def test_an_echo_goes_from_the_business_to_the_customer(sim: Simulator) -> None:
    (change,) = composed(sim, "echo")

    (message,) = change["value"]["message_echoes"]
    assert change["field"] == "smb_message_echoes"
    assert (message["from"], message["to"]) == (sim.number.display_phone_number, ADA.wa_id)
    assert message["to_user_id"] == ADA.user_id
    assert "messages" not in change["value"]


async def test_a_history_has_a_placeholder_and_later_its_file(sim: Simulator) -> None:
    chunk, later = composed(sim, "history")

    (thread,) = chunk["value"]["history"][0]["threads"]
    placeholder = thread["messages"][1]
    (message,) = later["value"]["messages"]
    assert [chunk["field"], later["field"]] == ["history", "history"]
    assert placeholder["type"] == "media_placeholder"
    assert placeholder["history_context"] == {"status": "READ"}
    assert message["id"] == placeholder["id"]
    assert len(message["image"]["sha256"]) == 64


async def test_a_refused_history_is_an_error(sim: Simulator) -> None:
    (change,) = composed(sim, "history-refused")

    assert change["value"]["history"][0]["errors"][0]["code"] == 2593109


async def test_a_call_has_its_recording(sim: Simulator) -> None:
    (change,) = composed(sim, "call")

    (call,) = change["value"]["calls"]
    assert change["field"] == "calls"
    assert call["call_recording"]["type"] == "audio"
    assert "voice" not in call["call_recording"]["audio"]
    assert (call["from"], call["direction"]) == (ADA.wa_id, "USER_INITIATED")


async def test_a_voicemail_has_another_kind_of_id(sim: Simulator) -> None:
    message = only_message(sim, "voicemail")

    assert message["id"].startswith("wacid.")
    assert message["audio"].keys() == {"id", "mime_type", "sha256"}


async def test_a_legacy_voice_note_has_the_old_shape(sim: Simulator) -> None:
    message = only_message(sim, "legacy")

    assert message["type"] == "voice"
    assert message["timestamp"] == NOW
    assert message["voice"].keys() == {"mime_type", "sha256", "id", "file"}
    assert len(message["voice"]["sha256"]) == 64


async def test_customers_without_a_phone_number_leave_it_out_or_empty(sim: Simulator) -> None:
    (without,) = composed(sim, "no-phone")
    (empty,) = composed(sim, "empty-phone")
    (only,) = composed(sim, "phone-only")

    assert "from" not in without["value"]["messages"][0]
    assert "wa_id" not in without["value"]["contacts"][0]
    assert (empty["value"]["messages"][0]["from"], empty["value"]["contacts"][0]["wa_id"]) == ("", "")
    assert only["value"]["contacts"] == [{"profile": {"name": "Ada Example"}, "wa_id": ADA.wa_id}]


async def test_digests_are_hex_junk_or_missing(sim: Simulator) -> None:
    hex_digest = only_message(sim, "hex-digest")["image"]["sha256"]

    assert hex_digest == sim.media[0].sha256
    assert only_message(sim, "junk-digest")["image"]["sha256"] == "junk"
    assert "sha256" not in only_message(sim, "no-digest")["image"]


async def test_a_url_is_alive_or_stale(sim: Simulator) -> None:
    alive, stale = only_message(sim, "url")["image"]["url"], only_message(sim, "stale-url")["image"]["url"]

    assert f"ext={NOW + 301}&" in alive
    assert f"ext={NOW + 301 - 3600}&" in stale


async def test_contacts_can_be_missing(sim: Simulator) -> None:
    (change,) = composed(sim, "no-contacts")

    assert "contacts" not in change["value"]


@pytest.mark.parametrize(
    ("kind", "code", "type_"),
    [
        ("unsupported", 131051, "unsupported"),
        ("unsupported-legacy", 131051, "unknown"),
        ("undeliverable", 131052, "unsupported"),
        ("undeliverable-with-media", 131052, "image"),
        ("unavailable", 131060, "unsupported"),
    ],
)
async def test_messages_that_could_not_be_delivered_say_why(sim: Simulator, kind: str, code: int, type_: str) -> None:
    message = only_message(sim, kind)

    assert (message["type"], message["errors"][0]["code"]) == (type_, code)
    assert ("details" in message["errors"][0]) == (kind == "unsupported-legacy")


async def test_errors_can_stand_beside_no_message(sim: Simulator) -> None:
    for kind, code in {"undeliverable-value": 131052, "account-error": 130429}.items():
        (change,) = composed(sim, kind)

        assert change["value"]["errors"][0]["code"] == code
        assert "messages" not in change["value"]


async def test_notices_tell_the_old_and_the_new_identity(sim: Simulator) -> None:
    user_id = only_message(sim, "user-changed-user-id")
    number = only_message(sim, "user-changed-number")

    assert user_id["system"] == {
        "type": "user_changed_user_id",
        "previous_user_id": ADA.user_id,
        "user_id": f"{ADA.user_id}9",
    }
    assert (number["from"], number["system"]["wa_id"]) == (ADA.wa_id, f"{ADA.wa_id}9")


async def test_other_fields_have_no_metadata(sim: Simulator) -> None:
    (change,) = composed(sim, "other-field")

    assert change == {
        "field": "account_alerts",
        "value": {"entity_type": "WABA", "entity_id": sim.number.waba_id},
    }


async def test_files_are_unique_when_asked_for(sim: Simulator) -> None:
    digests = {only_message(sim, "photo", seed=seed)["image"]["sha256"] for seed in range(3)}

    assert len(digests) == 3


async def test_several_kinds_make_one_webhook(sim: Simulator) -> None:
    updates = [update for kind in KINDS for update in sim.compose(kind)]

    payload = json.loads(escape(envelope(updates)))

    fields = {change["field"] for change in payload["entry"][0]["changes"]}
    assert fields == {"messages", "smb_message_echoes", "history", "calls", "account_alerts"}
