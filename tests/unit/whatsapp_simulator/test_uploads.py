"""Reference sections 3.4 and 4: what Meta takes, and what it refuses."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import aiohttp
import pytest

from tests.unit.whatsapp_simulator.peers import Answer, Client
from whatsapp_simulator import SAMPLES, Simulator

JPEG = SAMPLES["photo"].read()
KB, MB = 1024, 1024 * 1024
ANIMATED = SAMPLES["sticker"].read()
MONO_OPUS = b"OggS" + bytes(24) + b"OpusHead\x01\x01" + bytes(20)


async def upload(
    client: Client,
    data: bytes | None = JPEG,
    *,
    mime_type: str | None = "image/jpeg",
    part_type: str | None = "image/jpeg",
    product: str | None = "whatsapp",
    ttl_minutes: str | None = None,
    number: str | None = None,
) -> Answer:
    form = aiohttp.MultipartWriter("form-data")
    for name, value in {"messaging_product": product, "type": mime_type, "ttl_minutes": ttl_minutes}.items():
        if value is not None:
            form.append(value).set_content_disposition("form-data", name=name)
    if data is not None:
        headers: dict[str, Any] = {} if part_type is None else {"Content-Type": part_type}
        part = form.append(BytesIO(data), headers)
        part.set_content_disposition("form-data", name="file", filename="file.bin")
    number = number or client.sim.number.phone_number_id
    return await client.post(f"{client.sim.base_url}/v25.0/{number}/media", data=form)


async def test_an_upload_is_kept_and_can_be_read_back(sim: Simulator, client: Client) -> None:
    answer = await upload(client)

    media = sim.media_of(answer.json["id"])
    described = await client.metadata(media)
    assert described.json["mime_type"] == "image/jpeg"
    assert (await client.get(described.json["url"])).body == JPEG


@pytest.mark.parametrize(("ttl_minutes", "seconds"), [(None, 30 * 24 * 3600), ("60", 3600)])
async def test_an_upload_lives_thirty_days_or_as_long_as_told(
    sim: Simulator, client: Client, ttl_minutes: str | None, seconds: int
) -> None:
    media = sim.media_of((await upload(client, ttl_minutes=ttl_minutes)).json["id"])

    sim.clock.advance(seconds - 1)
    alive = await client.metadata(media)
    sim.clock.advance(1)
    expired = await client.metadata(media)

    assert (alive.status, expired.status) == (200, 400)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"product": None}, 100, "messaging_product"),
        ({"data": None}, 100, "file is required"),
        ({"mime_type": "image/gif", "part_type": "image/gif"}, 100, "Received file of type 'image/gif'"),
        ({"mime_type": "image/heic", "part_type": "image/heic"}, 100, "Received file of type"),
        ({"mime_type": None, "part_type": "application/zip"}, 100, "Received file of type 'application/zip'"),
        ({"mime_type": "image/png"}, 131053, "sent as image/jpeg"),
        ({"data": b""}, 131053, "empty"),
        ({"ttl_minutes": "59"}, 100, "ttl_minutes"),
        ({"ttl_minutes": "soon"}, 100, "ttl_minutes"),
        ({"data": bytes(5 * MB + 1)}, 131053, "limit for this image is 5242880"),
        (
            {"data": bytes(16 * MB + 1), "mime_type": "video/mp4", "part_type": "video/mp4"},
            131053,
            "limit for this video",
        ),
        ({"data": bytes(100 * KB + 1), "mime_type": "image/webp", "part_type": "image/webp"}, 131053, "102400"),
        (
            {"data": ANIMATED + bytes(500 * KB), "mime_type": "image/webp", "part_type": "image/webp"},
            131053,
            "limit for this sticker is 512000",
        ),
        ({"data": b"OggS" + bytes(99), "mime_type": "audio/ogg", "part_type": "audio/ogg"}, 131053, "Opus"),
    ],
)
async def test_what_meta_refuses_is_refused(client: Client, options: dict[str, Any], code: int, words: str) -> None:
    answer = await upload(client, **options)

    error = answer.json["error"]
    assert (answer.status, error["code"]) == (400, code)
    assert words in error["message"] + error.get("error_data", {}).get("details", "")


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (bytes(5 * MB), "image/png"),
        (ANIMATED + bytes(500 * KB - len(ANIMATED)), "image/webp"),
        (MONO_OPUS, "audio/ogg; codecs=opus"),
        (b"words", "text/plain"),
    ],
)
async def test_what_is_just_within_the_limits_is_taken(client: Client, data: bytes, mime_type: str) -> None:
    answer = await upload(client, data, mime_type=mime_type, part_type=mime_type)

    assert answer.status == 200


async def test_an_upload_needs_the_token_of_its_number(sim: Simulator, client: Client) -> None:
    stranger = await upload(client, number="200300400500999")
    sim.tokens.expire("demo-access-token")
    expired = await upload(client)

    assert (stranger.status, stranger.json["error"]["code"]) == (400, 100)
    assert (expired.status, expired.json["error"]["code"]) == (401, 190)


async def test_an_upload_that_is_no_form_is_refused(sim: Simulator, client: Client) -> None:
    url = f"{sim.base_url}/v25.0/{sim.number.phone_number_id}/media"

    no_form = await client.post(url, json={"messaging_product": "whatsapp"})
    broken = await client.post(
        url, data=b"--x\r\nnonsense", headers={"Content-Type": "multipart/form-data; boundary=y"}
    )

    assert [(answer.status, answer.json["error"]["code"]) for answer in (no_form, broken)] == [(400, 100)] * 2
