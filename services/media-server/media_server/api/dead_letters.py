"""`/api/dead-letters`: what was given up, by queue, code and number; worked off once more, or removed."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web

from media_server.api.body import read_body
from media_server.api.query import limit
from media_server.api.schemas import DeadLetterGroup, DeadLettersReplayed, ReplayInput
from media_server.problems import Problem, bad_request, unavailable
from media_server.state import ANNOUNCER, CLOCK, DATABASE, SETTINGS, STOPPING
from shared.broker.letters import BeingRead, NoSuchLetters, ReadingFailed
from shared.broker.topology import WorkQueue
from shared.dead_letters.fates import Fates
from shared.dead_letters.overview import Group, overview
from shared.dead_letters.purge import purge
from shared.dead_letters.queues import QUEUES, UnknownQueue, queue_named
from shared.dead_letters.replay import Replay, Replayed
from shared.dead_letters.selection import Selection
from shared.repository.tombstones import Tombstones, TombstonesSealed

log = structlog.get_logger(__name__)

_Key = tuple[str, str, str]
_SEPARATOR = "/"


async def get_dead_letters(request: web.Request) -> web.Response:
    """A page of groups. Letters whose attachment is done elsewhere are in none: a replay removes them."""
    most, after, wanted = limit(request), _after(request), _queue(request.query.get("queue"))
    settings = request.app[SETTINGS]
    tombstones = Tombstones(request.app[DATABASE], settings.credentials_encryption_key)
    fates = Fates(request.app[DATABASE], is_erased=tombstones.cover, clock=request.app[CLOCK])
    groups: dict[_Key, Group] = {}
    for queue in Selection(queue=wanted).queues:
        with _problems_of_reading():
            found = await overview(settings.rabbitmq_url, queue, fates=fates)
            groups.update({_key(group): group for group in found.groups})
    keys = sorted(key for key in groups if after is None or key > after)
    shown = keys[:most]
    cursor = _SEPARATOR.join(shown[-1]) if len(keys) > most else None
    return web.json_response({"items": [_json(groups[key]) for key in shown], "nextCursor": cursor})


async def post_replay(request: web.Request) -> web.Response:
    """Work off once more what fits and is there now. When the service stops meanwhile, the rest stays where it is."""
    given = await read_body(request, ReplayInput)
    selection = Selection(
        queue=_queue(given.queue),
        code=given.code and given.code.value,
        phone_number_id=given.phone_number_id,
        limit=given.limit,
    )
    settings = request.app[SETTINGS]
    replay = Replay(
        settings.rabbitmq_url,
        database=request.app[DATABASE],
        keys=settings.credentials_encryption_key,
        announce=request.app[ANNOUNCER].announce,
        stop=request.app[STOPPING],
    )
    done = Replayed(replayed=0, already_done=0, expired=0, unclear=0, remaining=0)
    with _problems_of_reading():
        done = await replay.run(selection)
    answer = DeadLettersReplayed(
        replayed=done.replayed,
        already_done=done.already_done,
        expired=done.expired,
        unclear=done.unclear or None,
        remaining=done.remaining,
    )
    log.info("dead_letters.replayed", **answer.to_json())
    return web.json_response(answer.to_json())


async def delete_dead_letters(request: web.Request) -> web.Response:
    """Remove all letters of one queue. The documents stay, and can still be retried."""
    queue = _queue(request.query.get("queue"))
    if queue is None:
        msg = f"queue is missing; it is one of {', '.join(QUEUES)}"
        raise bad_request(msg)
    removed = 0
    with _problems_of_reading():
        removed = await purge(request.app[SETTINGS].rabbitmq_url, Selection(queue=queue))
    log.warning("dead_letters.removed", queue=queue.name, count=removed)
    return web.Response(status=HTTPStatus.NO_CONTENT)


@contextmanager
def _problems_of_reading() -> Iterator[None]:
    """A queue that was never declared holds no letters: that is no problem."""
    try:
        yield
    except NoSuchLetters:
        return
    except BeingRead as error:
        detail = (
            f"somebody else reads, replays or removes the dead letters of {error.queue.name} at this moment; "
            "nothing was changed, send the same request again when that is done"
        )
        raise Problem(HTTPStatus.CONFLICT, "being_read", detail, headers={"Retry-After": "5"}) from error
    except ReadingFailed as error:
        msg = f"{error}; what was not done is still there, send the same request again"
        raise unavailable(msg) from error
    except TombstonesSealed as error:
        raise unavailable(str(error)) from error


def _queue(name: str | None) -> WorkQueue | None:
    if name is None:
        return None
    try:
        return queue_named(name)
    except UnknownQueue:
        msg = f"queue is one of {', '.join(QUEUES)}"
        raise bad_request(msg) from None


def _after(request: web.Request) -> _Key | None:
    cursor = request.query.get("cursor")
    if cursor is None:
        return None
    parts = cursor.split(_SEPARATOR)
    if len(parts) != 3:
        msg = "the cursor is not one that an earlier page gave"
        raise bad_request(msg)
    return parts[0], parts[1], parts[2]


def _key(group: Group) -> _Key:
    return group.queue.name, group.code or "", group.phone_number_id or ""


def _json(group: Group) -> dict[str, Any]:
    return DeadLetterGroup(
        queue=group.queue.name,
        code=group.code,
        phone_number_id=group.phone_number_id,
        count=group.count,
        first_failed_at=group.first,
        last_failed_at=group.last,
        reason=group.reason,
    ).to_json()
