"""Every row of the reference's tables of download answers (3.3) and Graph errors (3.7), through the real processes.

All attachments are sent at once and end side by side; each test looks at one. The retry delays are 1, 2 and 3 s, so an
error that is tried a few times ends after four attempts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.e2e.world import JSON, World
from whatsapp_simulator.faults import BodyForm, Fault, FaultName, Shape, Step
from whatsapp_simulator.targets import Target
from whatsapp_simulator.webhooks import BusinessNumber

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOUR = 4


@dataclass(frozen=True, kw_only=True)
class Row:
    """What goes wrong and what becomes of it. `waited_for`: the code it may have between two attempts."""

    faults: tuple[Fault, ...]
    status: str = "ready"
    code: str | None = None
    attempts: int = 1
    waited_for: frozenset[str] = frozenset()


def download(name: FaultName, **options: object) -> Fault:
    return Fault(name=name, at=Step.DOWNLOAD, **options)  # type: ignore[arg-type]  # each fault has its own options


def metadata(name: FaultName, **options: object) -> Fault:
    return Fault(name=name, at=Step.METADATA, **options)  # type: ignore[arg-type]


def graph(code: int, **options: object) -> Fault:
    return metadata(FaultName.GRAPH_ERROR, code=code, **options)


def heals(*faults: Fault, waited_for: str | Collection[str] | None, attempts: int = 2) -> Row:
    codes = [waited_for] if isinstance(waited_for, str) else waited_for or ()
    return Row(faults=faults, attempts=attempts, waited_for=frozenset(codes))


def fails(*faults: Fault, code: str, attempts: int = 1) -> Row:
    return Row(
        faults=faults,
        status="failed",
        code=code,
        attempts=attempts,
        waited_for=frozenset([code] if attempts > 1 else []),
    )


DOWNLOADS = {
    "200 with JSON, once": heals(download(FaultName.JSON, times=1), waited_for="media_corrupt"),
    "200 with JSON, always": fails(download(FaultName.JSON), code="media_corrupt", attempts=FOUR),
    "200 with HTML, once": heals(download(FaultName.HTML, times=1), waited_for="media_corrupt"),
    "200 with nothing, once": heals(download(FaultName.EMPTY, times=1), waited_for="media_corrupt"),
    "401, once": heals(download(FaultName.UNAUTHORIZED, times=1), waited_for=None, attempts=1),
    "401, always, though Graph takes the token": fails(
        download(FaultName.UNAUTHORIZED), code="provider_auth", attempts=FOUR
    ),
    "404, once: the link expired": heals(download(FaultName.EXPIRED, times=1), waited_for=None, attempts=1),
    "404, twice: a fresh link too": heals(download(FaultName.EXPIRED, times=2), waited_for="provider_not_found"),
    "404, always": fails(download(FaultName.EXPIRED), code="provider_not_found", attempts=FOUR),
    "403, always": fails(download(FaultName.FORBIDDEN), code="provider_not_found", attempts=FOUR),
    "410, always": fails(download(FaultName.GONE), code="provider_not_found", attempts=FOUR),
    "429 with Retry-After": heals(download(FaultName.RATE_LIMITED, times=1), waited_for="provider_rate_limited"),
    **{
        f"{status}, twice": heals(
            download(FaultName.SERVER_ERROR, status=status, times=2), waited_for="provider_unavailable", attempts=3
        )
        for status in (500, 502, 503)
    },
    "reset in mid-body": heals(download(FaultName.RESET, times=1), waited_for="provider_unavailable"),
    "a short body": heals(download(FaultName.TRUNCATED, times=1), waited_for="media_corrupt"),
    "Content-Length too large": heals(download(FaultName.LENGTH_TOO_LARGE, times=1), waited_for="provider_unavailable"),
    "Content-Length too small": heals(
        # whether the rest is seen as a broken answer or not at all depends on how it is cut into packets
        download(FaultName.LENGTH_TOO_SMALL, times=1),
        waited_for=("media_corrupt", "provider_unavailable"),
    ),
    "no Content-Length": Row(faults=(download(FaultName.NO_LENGTH),)),
    "wrong bytes of the right size": fails(download(FaultName.CORRUPT), code="media_corrupt", attempts=FOUR),
    "more bytes than announced": fails(download(FaultName.OVERSIZED), code="media_corrupt", attempts=FOUR),
    "an endless body": fails(download(FaultName.ENDLESS), code="media_corrupt", attempts=FOUR),
    "a gzip body nobody asked for": fails(download(FaultName.GZIP), code="media_corrupt", attempts=FOUR),
    "a gzip bomb": fails(download(FaultName.GZIP_BOMB), code="media_corrupt", attempts=FOUR),
    "late headers": Row(faults=(download(FaultName.SLOW, delay_seconds=1.0),)),
    "a body that pauses": Row(faults=(download(FaultName.STALL, delay_seconds=1.0),)),
    "a redirect to the same host": Row(faults=(download(FaultName.REDIRECT),)),
    "three redirects": Row(faults=(download(FaultName.REDIRECT, hops=3),)),
    "a redirect loop": heals(
        download(FaultName.REDIRECT, target=Target.LOOP, times=1), waited_for="provider_unavailable"
    ),
    **{
        f"a redirect to {target}": fails(download(FaultName.REDIRECT, target=target), code="host_not_allowed")
        for target in (
            Target.FORBIDDEN_HOST,
            Target.LOOKALIKE_HOST,
            Target.DISGUISED_HOST,
            Target.USER_INFO,
            Target.OTHER_HOST,
            Target.HTTP,
            Target.PORT,
            Target.IP,
            Target.IPV6,
            Target.IP_NUMBER,
            Target.FILE,
        )
    },
}
METADATA = {
    **{
        f"a link to {target}": fails(metadata(FaultName.WRONG_URL, target=target), code="host_not_allowed")
        for target in (
            Target.FORBIDDEN_HOST,
            Target.LOOKALIKE_HOST,
            Target.DISGUISED_HOST,
            Target.USER_INFO,
            Target.HTTP,
            Target.PORT,
            Target.IP,
            Target.IPV6,
            Target.IP_NUMBER,
        )
    },
    "a link that is no URL": heals(
        metadata(FaultName.WRONG_URL, target=Target.NOT_A_URL, times=1), waited_for="provider_unavailable"
    ),
    "no link": heals(metadata(FaultName.WRONG_URL, target=Target.NONE, times=1), waited_for="provider_unavailable"),
    "a size that is wrong": fails(metadata(FaultName.WRONG_SIZE), code="media_corrupt", attempts=FOUR),
    "a size as text": Row(faults=(metadata(FaultName.TEXT_SIZE),)),
    "no size": Row(faults=(metadata(FaultName.NO_SIZE),)),
    "a digest of another file, while the webhook's is right": Row(faults=(metadata(FaultName.WRONG_DIGEST),)),
    "a digest in base64": Row(faults=(metadata(FaultName.BASE64_DIGEST),)),
    "a junk digest": Row(faults=(metadata(FaultName.JUNK_DIGEST),)),
    "no digest": Row(faults=(metadata(FaultName.NO_DIGEST),)),
    "another MIME type": Row(faults=(metadata(FaultName.WRONG_MIME),)),
    **{
        f"metadata of another form: {shape}": heals(
            metadata(FaultName.WRONG_TYPES, shape=shape, times=1), waited_for="provider_unavailable"
        )
        for shape in Shape
        if shape is not Shape.FIELDS
    },
    "metadata with fields of wrong types, the link right": Row(faults=(metadata(FaultName.WRONG_TYPES),)),
    "metadata that is empty": heals(metadata(FaultName.EMPTY, times=1), waited_for="provider_unavailable"),
    "metadata that is HTML": heals(metadata(FaultName.HTML, times=1), waited_for="provider_unavailable"),
    "metadata that is cut off": heals(
        metadata(FaultName.NOT_JSON, body=BodyForm.CUT_JSON, times=1), waited_for="provider_unavailable"
    ),
    "metadata redirects": heals(metadata(FaultName.REDIRECT, times=1), waited_for="provider_unavailable"),
}
ERRORS = {
    **{f"token: {code}": fails(graph(code), code="provider_auth") for code in (190, 0, 104)},
    "token: 190 with status 400": fails(graph(190, status=400), code="provider_auth"),
    "token: 200 about the access token": fails(
        graph(200, status=400, message="Provide valid access token"), code="provider_auth"
    ),
    **{f"permission: {code}": fails(graph(code), code="provider_permission") for code in (3, 10, 200, 299, 131005)},
    "missing object, always": fails(graph(100, subcode=33), code="provider_not_found", attempts=FOUR),
    "missing object, twice": heals(graph(100, subcode=33, times=2), waited_for="provider_not_found", attempts=3),
    **{f"bad request: {code}": fails(graph(code), code="provider_rejected") for code in (100, 33, 131008, 131009)},
    **{
        f"throttling: {code}": heals(graph(code, times=1), waited_for="provider_rate_limited")
        for code in (4, 80007, 130429, 131048, 131056)
    },
    "throttling: 429": heals(metadata(FaultName.RATE_LIMITED, times=2), waited_for="provider_rate_limited", attempts=3),
    **{
        f"transient: {code}": heals(graph(code, times=1), waited_for="provider_unavailable")
        for code in (1, 2, 131000, 131016)
    },
    "transient: whatever says so": heals(
        graph(987654, status=400, is_transient=True, times=1), waited_for="provider_unavailable"
    ),
    "transient: 5xx": heals(metadata(FaultName.SERVER_ERROR, status=502, times=1), waited_for="provider_unavailable"),
    "maintenance": heals(graph(131057, times=1), waited_for="provider_unavailable"),
    **{f"account: {code}": fails(graph(code), code="provider_permission") for code in (368, 131031, 131045, 133010)},
    **{f"user's media: {code}": fails(graph(code), code="provider_rejected") for code in (131052, 131053)},
    **{
        f"401 with a body that is {form}": fails(
            metadata(FaultName.HTTP_STATUS, status=401, body=form), code="provider_auth"
        )
        for form in (BodyForm.EMPTY, BodyForm.HTML, BodyForm.TEXT, BodyForm.CUT_JSON, BodyForm.WRONG_TYPES)
    },
}
ROWS: Mapping[str, Row] = DOWNLOADS | METADATA | ERRORS


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def ended(world: World) -> Mapping[str, JSON]:
    """The documents of all rows, in their final state."""
    messages = {}
    for seed, (name, row) in enumerate(ROWS.items(), start=20_000):
        # a number of its own: a refusal, and a request to slow down, hold for all attachments of a number
        number = BusinessNumber(phone_number_id=f"2003004006{seed}", display_phone_number=f"155501{seed}")
        world.simulator.add_number(number, access_token=world.settings["WHATSAPP_ACCESS_TOKEN"])
        media = world.simulator.add_sample("zip", size_bytes=40_000, seed=seed, faults=row.faults, number=number)
        messages[name] = world.simulator.message(world.simulator.attachment(media))
    waiting = list(messages.values())
    for start in range(0, len(waiting), 40):
        await world.deliver(*waiting[start : start + 40])
    return {name: await world.ended(message.id, seconds=60) for name, message in messages.items()}


@pytest.mark.parametrize("name", ROWS)
async def test_each_fault_ends_as_the_reference_asks(world: World, ended: Mapping[str, JSON], name: str) -> None:
    row, document = ROWS[name], ended[name]

    media = document["media"]
    assert (media["status"], media.get("failure", {}).get("code"), media["attempts"]) == (
        row.status,
        row.code,
        row.attempts,
    )
    frames = await world.framed(document["messageId"], row.status)
    waits = [frame["media"]["failure"]["code"] for frame in frames if "nextAttemptAt" in frame["media"]]
    assert bool(waits) == bool(row.waited_for)
    assert set(waits) <= row.waited_for
