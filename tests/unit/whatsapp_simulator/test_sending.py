from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.unit.whatsapp_simulator.peers import Receiver
from whatsapp_simulator import NO_ANSWER, NotSubscribed, Simulator, Text, WebhookTooLarge, sign


async def test_the_handshake_decides_where_webhooks_go(sim: Simulator, receiver: Receiver) -> None:
    verified = await sim.subscribe(receiver.url)

    assert verified
    assert sim.webhook_url == receiver.url


async def test_a_receiver_with_another_verify_token_is_not_subscribed(receiver: Receiver) -> None:
    async with Simulator(app_secret="s", verify_token="another") as sim:
        verified = await sim.subscribe(receiver.url)

        assert not verified
        with pytest.raises(NotSubscribed):
            await sim.send(sim.message(Text(text="hi")))


async def test_webhooks_are_signed_over_the_escaped_bytes(sim: Simulator, receiver: Receiver) -> None:
    photo = sim.attachment(sim.add_sample("photo"), caption="50 % größer / a@b")
    message = sim.message(photo)

    delivery = await sim.send(message, to=receiver.url)

    assert delivery.accepted
    ((body, signature),) = receiver.got
    assert signature == sign(body, "demo-app-secret")
    assert rb"50 \u0025 gr\u00f6\u00dfer \/ a\u0040b" in body
    assert json.loads(body)["entry"][0]["changes"][0]["value"]["messages"] == [message.as_json()]


async def test_anything_but_200_is_sent_again(sim: Simulator, receiver: Receiver) -> None:
    receiver.answers = [503, 204]

    delivery = await sim.send(sim.message(Text(text="hi")), to=receiver.url)

    assert delivery.statuses == (503, 204, 200)
    assert len(set(receiver.got)) == 1


async def test_sending_ends_when_the_attempts_are_used_up(sim: Simulator, receiver: Receiver) -> None:
    receiver.answers = [500, 500, 500, 200]

    delivery = await sim.send(sim.message(Text(text="hi")), to=receiver.url)

    assert not delivery.accepted
    assert delivery.statuses == (500, 500, 500)


async def test_a_receiver_that_is_away_gives_no_answer(sim: Simulator) -> None:
    delivery = await sim.send(sim.message(Text(text="hi")), to="http://127.0.0.1:1/hook")

    assert delivery.statuses == (NO_ANSWER,) * 3


async def test_any_bytes_can_be_sent_for_any_app(sim: Simulator, receiver: Receiver) -> None:
    await sim.send_body(b"{nonsense", app_secret="other-secret", to=receiver.url)

    assert receiver.got == [(b"{nonsense", sign(b"{nonsense", "other-secret"))]


async def test_a_message_can_lie_about_its_file(sim: Simulator, receiver: Receiver) -> None:
    attachment = replace(sim.attachment(sim.add_sample("photo")), sha256="junk")

    await sim.send(sim.message(attachment), to=receiver.url)

    assert b'"sha256":"junk"' in receiver.got[0][0]


async def test_messages_go_to_the_number_that_owns_their_media(sim: Simulator) -> None:
    other = replace(sim.number, phone_number_id="2")
    sim.add_number(other, access_token="other-token")

    message = sim.message(sim.attachment(sim.add_sample("photo", number=other)))

    assert message.number == other
    assert message.timestamp == int(sim.clock.now())


@pytest.mark.parametrize("updates", [[Text(text="a")] * 1001, [Text(text="a" * 4_000_000)]], ids=["updates", "bytes"])
async def test_what_meta_never_sends_at_once_is_refused(
    sim: Simulator, receiver: Receiver, updates: list[Text]
) -> None:
    with pytest.raises(WebhookTooLarge):
        await sim.send(*(sim.message(text) for text in updates), to=receiver.url)

    assert receiver.got == []


async def test_a_thousand_updates_are_one_webhook(sim: Simulator, receiver: Receiver) -> None:
    delivery = await sim.send(*(sim.message(Text(text="a")) for _ in range(1000)), to=receiver.url)

    assert delivery.statuses == (200,)
    assert len(delivery.seconds) == 1
    assert len(receiver.values()[0]["messages"]) == 1000
