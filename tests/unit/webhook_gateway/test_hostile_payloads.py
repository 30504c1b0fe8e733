"""Signed, and yet anything: one odd item never sinks its neighbours, and what carries media is never passed over."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import MediaReceived, encode
from shared.media import MediaKind
from tests.unit.webhook_gateway.payloads import RECEIVED_AT, change, escaped, image, message, raw, text_message, webhook
from webhook_gateway.whatsapp import Parsed, parse

FIRST, LAST = message("wamid.FIRST", image=image("1")), message("wamid.LAST", image=image("9"))
DEEP = "[" * 100_000 + "]" * 100_000


def read(body: bytes) -> Parsed:
    return parse(body, received_at=RECEIVED_AT)


def read_payload(payload: Any) -> Parsed:
    return read(raw(payload))


def message_ids(parsed: Parsed) -> list[str]:
    return [event.message_id for event in parsed.events if isinstance(event, MediaReceived)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"object":"whatsapp_business_account","entry":[', "not JSON"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'"text"', "not an object"),
        (DEEP.encode(), "nested too deeply"),
        (b'{"entry":' + DEEP.encode() + b"}", "nested too deeply"),
        (b"{}", "entry is missing"),
        (b'{"object":"whatsapp_business_account"}', "entry is missing"),
        (b'{"object":"whatsapp_business_account","entry":"x"}', "entry cannot be read"),
    ],
)
def test_a_body_that_is_no_webhook_is_unreadable(body: bytes, reason: str) -> None:
    parsed = read(body)

    assert parsed.events == ()
    assert reason in [part.reason for part in parsed.unreadable]


@pytest.mark.parametrize("object_name", ["page", "instagram", ""])
def test_a_webhook_of_another_product_is_ignored(object_name: str) -> None:
    parsed = read_payload({**webhook(change(message())), "object": object_name})

    assert (parsed.events, parsed.unreadable) == ((), ())


@pytest.mark.parametrize("entry", [[], [{}], [{"changes": []}], [{"changes": None}], [None]])
def test_an_empty_webhook_says_nothing(entry: object) -> None:
    parsed = read_payload({"object": "whatsapp_business_account", "entry": entry})

    assert (parsed.events, parsed.unreadable) == ((), ())


@pytest.mark.parametrize(
    "odd",
    [
        7,
        "text",
        ["a list"],
        message(image="not an object"),
        message(image=[]),
        message(image={}),
        message(image={"id": None}),
        message(image={"id": ""}),
        message(image={"id": "  "}),
        message(image={"id": True}),
        message(image={"id": {"a": 1}}),
        message(image={"id": "x" * 5000}),
        message(image=None),
        message(id=None),
        message(""),
        message(type="edit", image=None, edit={"original_message_id": "wamid.X"}),
        message(type="edit", image=None, edit="?"),
        message(
            type="interactive",
            image=None,
            interactive={"nfm_reply": {"response_json": '{"p":[{"mime_type":"image/jpeg","sha256":"x"}]}'}},
        ),
        message(type="interactive", image=None, interactive={"nfm_reply": {"response_json": '{"mime_type": '}}),
        message(type="interactive", image=None, interactive={"nfm_reply": {"response_json": '{"mime_type":' + DEEP}}),
    ],
    ids=repr,
)
def test_an_item_that_carries_media_and_is_not_understood_is_named_and_its_neighbours_are_read(odd: Any) -> None:
    parsed = read_payload(webhook(change(FIRST, odd, LAST)))

    assert message_ids(parsed) == ["wamid.FIRST", "wamid.LAST"]
    assert len(parsed.unreadable) == 1


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {},
        text_message(),
        message(type="reaction", image=None, reaction={"message_id": "x", "emoji": ""}),
        message(type="brand_new", image=None, brand_new={"id": "not media"}),
        message(type=["image"], image=None),
        message(type="location", image=None, location="junk", context=7, referral=[1]),
        message(type="media_placeholder", image=None),
        message(type="revoke", image=None, revoke={"original_message_id": "wamid.X"}),
    ],
    ids=repr,
)
def test_an_item_without_media_is_passed_over(odd: Any) -> None:
    parsed = read_payload(webhook(change(FIRST, odd, LAST)))

    assert message_ids(parsed) == ["wamid.FIRST", "wamid.LAST"]
    assert parsed.unreadable == ()


@pytest.mark.parametrize("odd", [7, "x", ["x"], {"value": "x"}, {"field": "messages", "value": [1]}])
def test_an_odd_change_or_entry_is_named_and_its_neighbours_are_read(odd: Any) -> None:
    payload = webhook(change(FIRST), odd, change(LAST))
    payload["entry"].insert(0, "odd")

    parsed = read_payload(payload)

    assert message_ids(parsed) == ["wamid.FIRST", "wamid.LAST"]
    assert len(parsed.unreadable) == 2


def test_an_account_field_may_hold_anything() -> None:
    parsed = read_payload(webhook({"field": "account_alerts", "value": "x"}, {"field": 7, "value": {}}, change(LAST)))

    assert message_ids(parsed) == ["wamid.LAST"]
    assert parsed.unreadable == ()
    assert parsed.fields == {"account_alerts": 1, "other": 1, "messages": 1}


def test_without_a_phone_number_id_media_are_unreadable() -> None:
    parsed = read_payload(webhook(change(message(), metadata=None), change(LAST)))

    assert message_ids(parsed) == ["wamid.LAST"]
    assert len(parsed.unreadable) == 1


@pytest.mark.parametrize("key", ["object", "field", "type"])
def test_media_are_found_without_the_key_that_names_what_they_are(key: str) -> None:
    payload = webhook(change(LAST))
    payload = json.loads(json.dumps(payload).replace(f'"{key}":', '"gone":'))

    parsed = read_payload(payload)

    assert message_ids(parsed) == ["wamid.LAST"]
    assert parsed.unreadable == ()


def test_a_lone_object_in_place_of_a_list_is_read() -> None:
    value = change(messages=message("wamid.ALONE"))

    parsed = read_payload({"object": "whatsapp_business_account", "entry": {"changes": value}})

    assert message_ids(parsed) == ["wamid.ALONE"]


def test_texts_that_cannot_be_encoded_are_made_safe_and_long_ones_bounded() -> None:
    document = {
        "id": "4",
        "mime_type": "application/pdf",
        "filename": "a\ud83d\x00" + "b" * 400 + ".pdf",
        "caption": "\udc00" + "c" * 100_000,
    }
    contact = {"wa_id": "15550109999", "profile": {"name": "N\ud83d", "username": "u" * 10_000}}
    odd = message("wamid.\ud83d", type="document", image=None, document=document)

    parsed = read(escaped(webhook(change(odd, contacts=[contact]))))

    (event,) = parsed.events
    assert isinstance(event, MediaReceived)
    assert encode(event).decode("utf-8")
    assert event.file_name is not None
    assert len(event.file_name) <= 255
    assert event.file_name.startswith("a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b")
    assert event.file_name.endswith(".pdf")
    assert len(event.caption or "") < 10_000
    assert event.sender.name == "N\N{REPLACEMENT CHARACTER}"
    assert len(event.sender.username or "") < 1_000


@pytest.mark.parametrize(
    "mime_type", [None, 7, "", "jpeg", "image/jpeg\r\nX-Evil: 1", "imagé/jpeg", {"a": 1}, "x" * 10_000]
)
def test_a_type_that_could_not_stand_in_a_header_is_unknown(mime_type: Any) -> None:
    parsed = read_payload(webhook(change(message(image=image(mime_type=mime_type)))))

    (event,) = parsed.events
    assert isinstance(event, MediaReceived)
    assert event.declared.mime_type == "application/octet-stream"
    assert event.kind is MediaKind.IMAGE


@pytest.mark.parametrize("timestamp", [None, "", "soon", "-5", 0, True, [], "1e400", "nan", 10**30, "99999999999999"])
def test_a_junk_time_is_the_time_of_receipt(timestamp: Any) -> None:
    parsed = read_payload(webhook(change(message(timestamp=timestamp))))

    (event,) = parsed.events
    assert isinstance(event, MediaReceived)
    assert event.sent_at == RECEIVED_AT


def test_a_number_of_thousands_of_digits_does_not_sink_the_batch() -> None:
    body = raw(webhook(change(FIRST, message("wamid.BIG", timestamp="@"), LAST))).replace(b'"@"', b"9" * 6000)

    assert message_ids(read(body)) == ["wamid.FIRST", "wamid.BIG", "wamid.LAST"]


def test_a_broken_character_does_not_hide_the_media_beside_it() -> None:
    body = raw(webhook(change(FIRST, text_message(), LAST))).replace(b"hello", b"hel\xfflo")

    parsed = read(body)

    assert message_ids(parsed) == ["wamid.FIRST", "wamid.LAST"]
    assert [part.reason for part in parsed.unreadable] == ["not UTF-8"]


def test_a_byte_order_mark_is_tolerated() -> None:
    assert message_ids(read(b"\xef\xbb\xbf" + raw(webhook(change(LAST))))) == ["wamid.LAST"]


def test_a_full_batch_is_read_whole() -> None:
    messages = [message(f"wamid.{n}", image=image(str(n)), **{"from": f"1555{n:07}"}) for n in range(1000)]
    contacts = [{"wa_id": f"1555{n:07}", "profile": {"name": f"Customer {n}"}} for n in reversed(range(1000))]

    parsed = read_payload(webhook(change(*messages, contacts=contacts)))

    assert message_ids(parsed) == [f"wamid.{n}" for n in range(1000)]
    assert [e.sender.name for e in parsed.events if isinstance(e, MediaReceived)] == [
        f"Customer {n}" for n in range(1000)
    ]


@given(body=st.binary(max_size=200))
def test_any_bytes_at_all_are_read_without_an_exception(body: bytes) -> None:
    parsed = read(body)

    assert parsed.events == ()
