"""Where media hide besides plain messages, who sent them, and whose conversation they belong to."""

from typing import Any

import pytest

from shared.events import Event, IdentityChanged, MediaReceived
from shared.media import Customer, Direction, MediaKind, Sender
from tests.unit.webhook_gateway.payloads import (
    ADA,
    BUSINESS,
    NUMBER,
    RECEIVED_AT,
    change,
    digest_of,
    image,
    message,
    raw,
    text_message,
    webhook,
)
from webhook_gateway.whatsapp import Parsed, parse

ADA_AS_CUSTOMER = Customer(wa_id="15550109999", user_id="US.10000000000000000001")


def parsed(*changes: Any) -> Parsed:
    return parse(raw(webhook(*changes)), received_at=RECEIVED_AT)


def only_event(*changes: Any) -> MediaReceived:
    found = parsed(*changes)
    assert found.unreadable == ()
    (event,) = found.events
    assert isinstance(event, MediaReceived)
    return event


def kinds(events: tuple[Event, ...]) -> list[MediaKind]:
    return [event.kind for event in events if isinstance(event, MediaReceived)]


def test_an_echo_is_outbound_in_the_conversation_of_the_one_it_went_to() -> None:
    echo = message("wamid.ECHO", **{"from": BUSINESS}, to="15550109999", to_user_id="US.10000000000000000001")

    event = only_event(change(field="smb_message_echoes", contacts=None, message_echoes=[echo]))

    assert event.direction is Direction.OUTBOUND
    assert event.sender == Sender(wa_id=BUSINESS)
    assert event.customer == ADA_AS_CUSTOMER


def test_an_edited_echo_keeps_its_conversation() -> None:
    edit = {"original_message_id": "wamid.OLD", "message": {"type": "image", "image": image("77")}}
    echo = message("wamid.EDIT", **{"from": BUSINESS}, to="15550109999", type="edit", image=None, edit=edit)

    event = only_event(change(field="smb_message_echoes", message_echoes=[echo]))

    assert (event.message_id, event.provider_media_id) == ("wamid.EDIT", "77")
    assert (event.direction, event.customer) == (Direction.OUTBOUND, ADA_AS_CUSTOMER)


def test_history_has_media_both_ways_and_placeholders() -> None:
    thread = {
        "id": "15550109999",
        "messages": [
            message("wamid.H1", history_context={"status": "READ"}),
            message("wamid.H2", type="media_placeholder", image=None),
            message("wamid.H3", **{"from": BUSINESS}, image=image("9")),
        ],
    }
    chunk = {"metadata": {"phase": 0, "chunk_order": 1, "progress": 10}, "threads": [thread]}

    found = parsed(change(field="history", history=[chunk]))

    assert found.unreadable == ()
    assert [(e.message_id, e.direction, e.customer) for e in found.events if isinstance(e, MediaReceived)] == [
        ("wamid.H1", Direction.INBOUND, ADA_AS_CUSTOMER),
        ("wamid.H3", Direction.OUTBOUND, ADA_AS_CUSTOMER),
    ]


def test_media_that_follow_a_history_say_by_their_addressee_which_way_they_went() -> None:
    sent = message("wamid.LATER", **{"from": BUSINESS}, to="15550109999", image=image(sha256=digest_of("x")))

    event = only_event(change(sent, field="history"))

    assert event.direction is Direction.OUTBOUND
    assert event.declared.sha256 == digest_of("x")


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("USER_INITIATED", Direction.INBOUND), ("BUSINESS_INITIATED", Direction.OUTBOUND), (None, Direction.INBOUND)],
)
def test_a_call_recording_is_audio_in_the_customers_conversation(direction: str | None, expected: Direction) -> None:
    ends = ("15550109999", BUSINESS) if expected is Direction.INBOUND else (BUSINESS, "15550109999")
    call = {
        "id": "wacid.CALL",
        "from": ends[0],
        "to": ends[1],
        "timestamp": "1790000000",
        "direction": direction,
        "call_recording": {"type": "audio", "audio": {"id": "88", "mime_type": "audio/ogg", "sha256": "junk"}},
    }

    event = only_event(change(field="calls", calls=[call]))

    assert (event.kind, event.message_id, event.provider_media_id) == (MediaKind.AUDIO, "wacid.CALL", "88")
    assert (event.direction, event.customer) == (expected, ADA_AS_CUSTOMER)
    assert event.declared.sha256 is None


def test_calls_without_a_recording_announce_nothing() -> None:
    found = parsed(change(field="calls", calls=[{"id": "wacid.X", "event": "connect", "session": {"sdp": "v=0"}}]))

    assert (found.events, found.unreadable) == ((), ())


def test_a_voicemail_is_audio() -> None:
    event = only_event(
        change(message("wacid.VM", type="audio", image=None, audio={"id": "5", "mime_type": "audio/ogg"}))
    )

    assert event.kind is MediaKind.AUDIO


def test_an_old_voice_object_is_a_voice_note() -> None:
    voice = {"id": 5, "mime_type": "audio/ogg; codecs=opus", "sha256": digest_of("v").upper(), "file": "/usr/x"}

    event = only_event(change(message(type="voice", image=None, voice=voice, timestamp=1790000000)))

    assert event.kind is MediaKind.VOICE
    assert event.provider_media_id == "5"
    assert event.declared.sha256 == digest_of("v")
    assert event.sent_at.timestamp() == 1790000000


def test_a_flow_reply_with_several_files_has_an_event_for_each() -> None:
    files = [
        {"file_name": "a.jpg", "mime_type": "image/jpeg", "id": "1"},
        {"file_name": "b.mp4", "mime_type": "video/mp4", "id": "2"},
        {"file_name": "c.pdf", "mime_type": "application/pdf", "id": 3},
    ]
    answer = raw(
        {"flow_token": "t", "step": {"photos": files[:2]}, "documents": files[2:], "id": "not a file"}
    ).decode()
    reply = {"type": "nfm_reply", "nfm_reply": {"name": "flow", "response_json": answer}}

    found = parsed(change(message(type="interactive", image=None, interactive=reply)))

    assert kinds(found.events) == [MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.DOCUMENT]
    assert len({event.media_id for event in found.events if isinstance(event, MediaReceived)}) == 3


@pytest.mark.parametrize("answer", ['"sent"', "[]", "7", "null", "", "not json", None, 7])
def test_a_flow_reply_without_files_announces_nothing(answer: object) -> None:
    reply = {"type": "nfm_reply", "nfm_reply": {"response_json": answer}}

    found = parsed(change(message(type="interactive", image=None, interactive=reply)))

    assert (found.events, found.unreadable) == ((), ())


def test_a_type_that_is_not_known_yet_is_taken_by_its_shape() -> None:
    event = only_event(change(message(type="video_note", image=None, video_note={"id": "1", "mime_type": "video/mp4"})))

    assert event.kind is MediaKind.VIDEO


@pytest.mark.parametrize(
    ("sender", "customer"),
    [
        ({"from": "15550109999"}, ADA_AS_CUSTOMER),
        ({"from": "+1 555 010-9999"}, ADA_AS_CUSTOMER),
        ({"from": "", "from_user_id": "US.10000000000000000001"}, ADA_AS_CUSTOMER),
        ({"from": None, "from_user_id": "US.10000000000000000001"}, ADA_AS_CUSTOMER),
        ({"from": "15550107777"}, Customer(wa_id="15550107777")),
        ({"from": ""}, ADA_AS_CUSTOMER),  # there is nobody else it could be
    ],
)
def test_identities_are_completed_by_the_contact_that_has_one_of_them(
    sender: dict[str, Any], customer: Customer
) -> None:
    event = only_event(change(message(**sender)))

    assert event.customer == customer
    assert event.sender.name == ("Ada Example" if customer == ADA_AS_CUSTOMER else None)


def test_contacts_are_matched_by_identity_and_not_by_position() -> None:
    bo = {"profile": {"name": "Bo"}, "wa_id": "15550107777"}
    from_bo = message("wamid.BO", **{"from": "15550107777"})

    found = parsed(change(message("wamid.ADA"), from_bo, contacts=[bo, ADA]))

    assert [event.sender.name for event in found.events if isinstance(event, MediaReceived)] == ["Ada Example", "Bo"]


@pytest.mark.parametrize(
    ("system", "before", "after"),
    [
        (
            {"type": "user_changed_user_id", "previous_user_id": "US.1", "user_id": "US.2"},
            Customer(user_id="US.1"),
            Customer(user_id="US.2", wa_id="15550109999"),
        ),
        (
            {"type": "user_changed_number", "wa_id": "15550101111", "body": "Ada changed her number"},
            Customer(wa_id="15550109999"),
            Customer(wa_id="15550101111"),
        ),
        (
            {"type": "user_changed_number", "customer": "15550102222", "new_wa_id": "15550101111"},
            Customer(wa_id="15550102222"),
            Customer(wa_id="15550101111"),
        ),
    ],
)
def test_a_changed_identity_is_an_event(system: dict[str, Any], before: Customer, after: Customer) -> None:
    found = parsed(change(message(type="system", image=None, system=system), contacts=None))

    assert found.events == (
        IdentityChanged(
            phone_number_id=NUMBER,
            before=before,
            after=after,
            changed_at=RECEIVED_AT.fromtimestamp(1790000000, RECEIVED_AT.tzinfo),
        ),
    )


@pytest.mark.parametrize(
    "system",
    [
        None,
        "moved",
        {"type": "customer_identity_changed", "identity": "x"},
        {"type": "user_changed_number", "body": "?"},
        {"type": "user_changed_user_id"},
        {"type": "user_changed_number", "wa_id": "15550109999"},
    ],
)
def test_a_system_message_that_names_no_two_identities_says_nothing(system: object) -> None:
    found = parsed(change(message(type="system", image=None, system=system, **{"from": "15550109999"})))

    assert (found.events, found.unreadable) == ((), ())


ERROR = {"code": 131052, "title": "Media download error", "error_data": {"details": "Failed to download the media."}}


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        ({"type": "image", "image": None}, MediaKind.IMAGE),
        ({"type": "video", "image": None, "video": {}}, MediaKind.VIDEO),
        ({"type": "unsupported", "image": None}, MediaKind.DOCUMENT),
        ({"type": "unsupported", "image": None, "unsupported": {"type": "image"}}, MediaKind.IMAGE),
        ({"type": None, "image": None}, MediaKind.DOCUMENT),
    ],
)
@pytest.mark.parametrize("code", [131052, "131052", 131060])
def test_media_that_meta_could_not_deliver_are_announced_as_rejected(
    odd: dict[str, Any], kind: MediaKind, code: object
) -> None:
    event = only_event(change(message(**odd, errors=[{"code": 0}, ERROR | {"code": code}])))

    assert event.kind is kind
    assert event.provider_media_id is None
    assert event.rejection is not None
    assert event.rejection.provider_code == int(str(code))
    assert event.rejection.message == "Failed to download the media."


def test_a_legacy_error_has_its_details_at_the_top() -> None:
    event = only_event(change(message(image=None, errors=[{"code": 131052, "title": "t", "details": "Too large."}])))

    assert event.rejection is not None
    assert event.rejection.message == "Too large."


@pytest.mark.parametrize("value", [change(message(errors=[ERROR])), change(message(), errors=[ERROR])])
def test_an_error_beside_a_media_id_is_told_and_the_download_tried_all_the_same(value: dict[str, Any]) -> None:
    event = only_event(value)

    assert event.provider_media_id == "700000000000001"
    assert event.rejection is not None


def test_an_error_beside_several_media_is_another_attachment_that_nobody_will_get() -> None:
    found = parsed(change(message("wamid.A"), message("wamid.B"), errors=[ERROR]))

    assert [event.rejection is None for event in found.events if isinstance(event, MediaReceived)] == [
        True,
        True,
        False,
    ]


def test_a_message_that_names_nobody_is_not_given_to_one_of_several_contacts() -> None:
    event = only_event(change(message(**{"from": ""}), contacts=[ADA, {"wa_id": "15550107777"}]))

    assert event.customer == Customer()


def test_in_a_thread_who_is_not_the_customer_is_the_business() -> None:
    thread = {"id": "15550109999", "messages": [message("wamid.H", **{"from": "15550100777"})]}

    event = only_event(change(field="history", metadata={"phone_number_id": NUMBER}, history=[{"threads": [thread]}]))

    assert (event.direction, event.customer) == (Direction.OUTBOUND, ADA_AS_CUSTOMER)


@pytest.mark.parametrize("odd", [{"type": "unsupported", "image": None}, {"type": "image", "image": None}])
def test_an_error_of_the_whole_change_explains_the_message_that_lacks_its_media(odd: dict[str, Any]) -> None:
    found = parsed(change(text_message(), message("wamid.LOST", **odd), errors=[ERROR]))

    (event,) = found.events
    assert isinstance(event, MediaReceived)
    assert event.message_id == "wamid.LOST"
    assert event.rejection is not None


def test_an_error_without_a_message_is_announced_the_same_way_each_time() -> None:
    first, again = (only_event(change(errors=[ERROR])) for _ in range(2))

    assert first == again
    assert first.rejection is not None
    assert first.customer == ADA_AS_CUSTOMER


@pytest.mark.parametrize("code", [131051, 130501, 131000, 0])
def test_other_errors_announce_nothing(code: int) -> None:
    odd = message(type="unsupported", image=None, errors=[{"code": code, "title": "?"}])

    found = parsed(change(odd, errors=[{"code": code}]))

    assert (found.events, found.unreadable) == ((), ())
