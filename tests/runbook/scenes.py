"""Situations that a person on call meets, made for real."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import aiohttp

from tests.e2e.world import JSON, World
from whatsapp_simulator import Media
from whatsapp_simulator.faults import Fault, FaultName
from whatsapp_simulator.messages import Message
from whatsapp_simulator.webhooks import BusinessNumber

NUMBER = "106540352242922"  # the examples of the document
MEDIA_ID = "m7k2exampleid"
REFUSED = Fault(name=FaultName.GRAPH_ERROR, code=131052)  # provider_rejected, for as long as it lasts


@dataclass(frozen=True, kw_only=True)
class Failed:
    """An attachment that ended as `failed`, and what Meta has of it; Meta gives it from now on."""

    document: JSON
    media: Media

    @property
    def id(self) -> str:
        found: str = self.document["_id"]
        return found

    @property
    def wamid(self) -> str:
        found: str = self.document["messageId"]
        return found


async def failed(world: World, *, seed: int) -> Failed:
    """One that Meta refused to give, and would give now."""
    message = await world.send("photo", seed=seed, faults=[REFUSED])
    media = world.simulator.media[-1]
    document = await world.ended(message.id)
    assert document["media"]["failure"]["code"] == "provider_rejected"
    world.simulator.faults.put(media.id)
    return Failed(document=document, media=media)


async def number_with_token(world: World, phone_number_id: str, token: str) -> BusinessNumber:
    """A business number called Support, saved as an admin saves it."""
    number = BusinessNumber(phone_number_id=phone_number_id, display_phone_number=f"15550{phone_number_id[-6:]}")
    world.simulator.add_number(number, access_token=token)
    async with aiohttp.ClientSession(world.stack.url("media-server")) as admin:
        headers = {"Authorization": f"Bearer {world.settings['ADMIN_TOKEN']}"}
        body = {"displayName": "Support", "accessToken": token}
        address = f"/api/whatsapp-instances/{phone_number_id}"
        async with admin.put(address, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
    return number


async def send(world: World, number: BusinessNumber, *, seed: int, faults: Iterable[Fault] = ()) -> Message:
    """A photo of its own to this number."""
    media = world.simulator.add_sample("photo", size_bytes=40_000, seed=seed, number=number, faults=[*faults])
    message = world.simulator.message(world.simulator.attachment(media))
    await world.deliver(message)
    return message


async def with_status(world: World, wamid: str, status: str, *, seconds: float = 30) -> JSON:
    """The document, once it has this status."""

    def found() -> JSON | None:
        document = world.document(wamid)
        return document if document is not None and document["media"]["status"] == status else None

    return await world.until(found, seconds=seconds)


async def ready(world: World, wamid: str, *, seconds: float = 30) -> JSON:
    """The document, once it is ready."""
    return await with_status(world, wamid, "ready", seconds=seconds)


async def said(world: World, service: str, event: str, **fields: object) -> JSON:
    """The first line of this event with these fields in the log of the service, once it is there."""

    def line() -> JSON | None:
        entries = world.stack.log_entries(service)
        return next((each for each in entries if each["event"] == event and fields.items() <= each.items()), None)

    return await world.until(line)


async def metric(world: World, service: str, series: str, is_right: Callable[[float], bool]) -> float:
    """The value of this series, once it is right."""
    async with aiohttp.ClientSession(world.stack.url(service)) as client:

        async def value() -> float | None:
            async with client.get("/metrics") as response:
                lines = (await response.text()).splitlines()
            found = next((float(line.split()[-1]) for line in lines if line.startswith(f"{series} ")), None)
            return found if found is not None and is_right(found) else None

        return await world.until_told(value)
