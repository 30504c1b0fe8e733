"""Meta as this run plays it: holds the planned files, and sends each webhook again until it is answered 200."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.chaos.attachments import Planned, SentAs
from tests.chaos.plan import Plan
from tests.chaos.posts import Post
from tests.chaos.trouble import FAULTS, Trouble
from whatsapp_simulator import DEMO_NUMBER, SAMPLES, BusinessNumber, Customer, Media, Message, Simulator

DEFAULT, OWN, WITHOUT = numbers = (
    DEMO_NUMBER,
    BusinessNumber(phone_number_id="200300400500601", display_phone_number="15550100002"),
    BusinessNumber(phone_number_id="200300400500602", display_phone_number="15550100003"),
)
CAPTION = "a caption that no log may show"
_PNG_BEGINNING = 24
_CONNECTIONS = 6
_DAYS = 24 * 3600
_DELAYS = (0.2, 0.5, *(1.0,) * 600)


@dataclass(frozen=True, kw_only=True)
class Announced:
    """One attachment as it was sent."""

    planned: Planned
    media: Media
    message: Message


@dataclass(kw_only=True)
class Traffic:
    """What became of the webhooks so far. `accepted`: the attachments that were in one answered 200, and how often."""

    accepted: Counter[int] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    never_accepted: int = 0


def simulator_for(plan: Plan, *, app_secret: str, verify_token: str, tokens: Mapping[str, str]) -> Simulator:
    """A Meta with these numbers and their access tokens."""
    simulator = Simulator(
        app_secret=app_secret,
        verify_token=verify_token,
        access_token=tokens[DEFAULT.phone_number_id],
        number=DEFAULT,
        retry_delays_seconds=_DELAYS,
        seed=plan.seed,
    )
    simulator.add_number(OWN, access_token=tokens[OWN.phone_number_id])
    simulator.add_number(WITHOUT, access_token=tokens[DEFAULT.phone_number_id])
    return simulator


def announce(simulator: Simulator, plan: Plan) -> tuple[Announced, ...]:
    """Let Meta hold every planned file, and write its messages."""
    now = int(time.time())
    return tuple(_announced(simulator, plan.seed, planned, now) for planned in plan.attachments)


async def send(simulator: Simulator, plan: Plan, announced: tuple[Announced, ...], traffic: Traffic) -> None:
    """Post every webhook, spread over the time that the actions take; ends when the last is accepted or given up."""
    began, posts = time.monotonic(), enumerate(plan.posts)

    async def connection(posts: Iterator[tuple[int, Post]]) -> None:
        for position, post in posts:  # shared: each goes to whoever is free
            due = began + plan.seconds * position / len(plan.posts)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            messages = [announced[index].message for index in post.attachments]
            for delivery in await asyncio.gather(*(simulator.send(*messages) for _ in range(post.times))):
                traffic.answers.update(delivery.statuses)
                if delivery.accepted:
                    traffic.accepted.update(post.attachments)
                else:
                    traffic.never_accepted += 1

    async with asyncio.TaskGroup() as connections:
        for _ in range(_CONNECTIONS):
            connections.create_task(connection(posts))


def _announced(simulator: Simulator, seed: int, planned: Planned, now: int) -> Announced:
    sample = SAMPLES[planned.sample]
    media = simulator.add_media(
        _bytes_of(seed, planned),
        kind=sample.kind,
        mime_type=sample.mime_type,
        filename=sample.filename,
        animated=sample.animated,
        number=numbers[planned.number],
        faults=FAULTS.get(planned.trouble, ()),
    )
    message = simulator.message(
        simulator.attachment(media, caption=CAPTION if planned.index % 10 == 0 else None),
        sender=_customer(planned),
        timestamp=now - (8 * _DAYS if planned.trouble is Trouble.TOO_OLD else 0),
    )
    return Announced(planned=planned, media=media, message=message)


def _bytes_of(seed: int, planned: Planned) -> bytes:
    sample = SAMPLES[planned.sample].read()
    if planned.trouble is Trouble.BROKEN_PICTURE:
        sample = sample[:_PNG_BEGINNING]  # more of it would do: decoders show as much as they can
    filler = hashlib.shake_256(f"{seed} {planned.content}".encode()).digest(planned.filler_bytes)
    return sample + filler


def _customer(planned: Planned) -> Customer:
    number = planned.customer
    return Customer(
        name=f"Customer {number + 1}",
        wa_id=None if planned.sent_as is SentAs.USER_ID else str(15550110000 + number),
        user_id=None if planned.sent_as is SentAs.PHONE else f"US.{10**19 + number}",
    )
