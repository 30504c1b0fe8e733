"""Reference section 3.6: what the business sends."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.unit.whatsapp_simulator.peers import Answer, Client, Receiver
from whatsapp_simulator import ADA, BusinessNumber, Simulator, Text

ADAS_NUMBER = "15550109999"


def payload(**changes: Any) -> dict[str, Any]:
    """Words to Ada, unless `changes` say otherwise; None leaves a key out."""
    whole = {"messaging_product": "whatsapp", "to": ADAS_NUMBER, "type": "text", "text": {"body": "hi"}, **changes}
    return {key: value for key, value in whole.items() if value is not None}


async def send(client: Client, number: str | None = None, **changes: Any) -> Answer:
    url = f"{client.sim.base_url}/v25.0/{number or client.sim.number.phone_number_id}/messages"
    return await client.post(url, json=payload(**changes))


async def told(receiver: Receiver, count: int) -> list[Any]:
    """The statuses, once there are so many."""
    deadline = time.monotonic() + 5
    while True:
        statuses = [status for value in receiver.values() for status in value.get("statuses", [])]
        if len(statuses) >= count:
            return statuses
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_an_accepted_message_is_answered_kept_and_told_of(
    sim: Simulator, client: Client, receiver: Receiver
) -> None:
    await sim.subscribe(receiver.url)
    await sim.send(sim.message(Text(text="hello"), sender=ADA))

    answer = await send(client, to="+1 (555) 010-9999", biz_opaque_callback_data="job-1")

    (message,) = sim.outbox.all()
    assert answer.json == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "+1 (555) 010-9999", "wa_id": ADAS_NUMBER}],
        "messages": [{"id": message.id}],
    }
    assert message.payload["text"] == {"body": "hi"}
    statuses = await told(receiver, 2)
    assert [(status["id"], status["status"], status["recipient_id"]) for status in statuses] == [
        (message.id, "sent", ADAS_NUMBER),
        (message.id, "delivered", ADAS_NUMBER),
    ]
    assert statuses[0]["biz_opaque_callback_data"] == "job-1"


async def test_words_to_a_customer_who_did_not_write_within_a_day_fail(
    sim: Simulator, client: Client, receiver: Receiver
) -> None:
    await sim.subscribe(receiver.url)
    await sim.send(sim.message(Text(text="hello"), sender=ADA))
    sim.clock.advance(24 * 3600)

    late = await send(client)
    template = await send(client, type="template", text=None, template={"name": "again", "language": {"code": "en"}})

    statuses = {status["id"]: status for status in await told(receiver, 3)}
    assert statuses[late.json["messages"][0]["id"]]["errors"][0]["code"] == 131047
    assert statuses[template.json["messages"][0]["id"]]["status"] in {"sent", "delivered"}


async def test_a_user_id_will_do_and_a_phone_number_wins(client: Client) -> None:
    by_id = await send(client, to=None, recipient="US.1")
    by_both = await send(client, recipient="US.1")

    assert by_id.json["contacts"] == [{"input": "US.1", "user_id": "US.1"}]
    assert by_both.json["contacts"] == [{"input": ADAS_NUMBER, "wa_id": ADAS_NUMBER}]


async def test_uploaded_media_can_be_sent_with_a_caption(sim: Simulator, client: Client) -> None:
    media = sim.add_sample("pdf")

    document = {"id": media.id, "caption": "c" * 1024, "filename": "copy.pdf"}
    answer = await send(client, type="document", text=None, document=document)

    assert answer.status == 200


async def test_reading_is_confirmed(sim: Simulator, client: Client) -> None:
    read = await send(client, to=None, type=None, text=None, status="read", message_id="wamid.A==")
    nothing = await send(client, status="read")

    assert read.json == {"success": True}
    assert nothing.json["error"]["code"] == 131008
    assert sim.outbox.all() == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"messaging_product": None}, 100),
        ({"to": None}, 131008),
        ({"to": "nobody"}, 131009),
        ({"to": 15550109999}, 131008),
        ({"recipient_type": "everyone"}, 100),
        ({"type": "hologram"}, 100),
        ({"type": ["text"]}, 100),
        ({"text": None}, 131008),
        ({"text": {"body": ""}}, 131008),
        ({"text": {"body": "w" * 4097}}, 100),
        ({"type": "image", "image": "7"}, 100),
        ({"type": "image", "image": {}}, 100),
        ({"type": "image", "image": {"id": "7", "link": "https://a.example/b.jpg"}}, 100),
        ({"type": "image", "image": {"link": "http://a.example/b.jpg"}}, 100),
        ({"type": "image", "image": {"link": "https://a.example/b.jpg", "caption": "c" * 1025}}, 100),
        ({"type": "image", "image": {"link": "https://a.example/b.jpg", "filename": "b.jpg"}}, 100),
        ({"type": "audio", "audio": {"link": "https://a.example/b.mp3", "caption": "no"}}, 100),
        ({"type": "sticker", "sticker": {"link": "https://a.example/b.webp", "caption": "no"}}, 100),
        ({"type": "image", "image": {"id": "700000000000099"}}, 131009),
    ],
)
async def test_what_meta_refuses_is_refused(sim: Simulator, client: Client, changes: dict[str, Any], code: int) -> None:
    answer = await send(client, **changes)

    assert (answer.status, answer.json["error"]["code"]) == (400, code)
    assert sim.outbox.all() == ()


async def test_a_file_must_be_sent_as_what_it_is_and_by_its_own_number(sim: Simulator, client: Client) -> None:
    other = BusinessNumber(phone_number_id="2")
    sim.add_number(other, access_token="demo-access-token")
    mine, theirs = sim.add_sample("pdf"), sim.add_sample("photo", number=other)

    wrong_kind = await send(client, type="image", image={"id": mine.id})
    wrong_number = await send(client, type="image", image={"id": theirs.id})

    assert [answer.json["error"]["code"] for answer in (wrong_kind, wrong_number)] == [131053, 131009]


async def test_too_many_messages_to_one_user_or_at_all_hit_the_limits(sim: Simulator, client: Client) -> None:
    to_one = [(await send(client)).status for _ in range(46)]
    sim.clock.advance(6)
    later = (await send(client)).status
    to_many = [await send(client, to=str(15550100000 + number)) for number in range(80)]

    assert to_one == [200] * 45 + [400]
    assert later == 200
    assert [answer.json["error"]["code"] for answer in to_many if answer.status != 200] == [130429]


async def test_nobody_else_may_send(sim: Simulator, client: Client) -> None:
    answer = await send(client, number="999")
    bad_json = await client.post(f"{sim.base_url}/v25.0/{sim.number.phone_number_id}/messages", data=b"{")

    assert (answer.status, answer.json["error"]["error_subcode"]) == (400, 33)
    assert bad_json.json["error"]["code"] == 100


async def test_the_number_itself_can_be_looked_up(sim: Simulator, client: Client) -> None:
    sim.add_number(BusinessNumber(phone_number_id="2"), access_token="other-token")

    mine = await client.get(f"{sim.base_url}/v25.0/{sim.number.phone_number_id}")
    theirs = await client.get(f"{sim.base_url}/v25.0/2")
    nobody = await client.get(f"{sim.base_url}/v25.0/2", headers={"Authorization": "Bearer x"})

    assert mine.json["display_phone_number"] == sim.number.display_phone_number
    assert (theirs.status, nobody.status) == (400, 401)
