"""Looks at everything that a run has left, from the outside."""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
from bson.codec_options import CodecOptions
from pymongo import MongoClient

from tests.chaos.evidence import JSON, Evidence, File, Letter, Line
from tests.chaos.scan import leaks
from tests.chaos.world import DATABASE, Site

_UNFINISHED = ".incomplete"
WORK_QUEUES = ("ingestor.media-received", "ingestor.identity-changed", "previewer.media-stored")
_DEAD_LETTERS = (*(f"{name}.dlq" for name in WORK_QUEUES), "webhook-gateway.unreadable.dlq")
_PARTICULARS = re.compile(r"[0-9.]+:\d+:? ?|\(configured.*")  # of one connection: to be counted together
_DEFECTS = frozenset({"event.given_back", "reconcile.failed", "service.task_failed", "event.handler_raised"})


async def gather(site: Site, database: MongoClient[JSON]) -> Evidence:
    """Look at everything; the services have stopped, the servers run."""
    options: CodecOptions[JSON] = CodecOptions(tz_aware=True, tzinfo=UTC)
    collections = database.get_database(DATABASE, codec_options=options)
    letters, waiting = await _queues(site)
    lines: list[Line] = []
    surprises: Counter[str] = Counter()
    for service, log in site.logs.items():
        text = log.read_text(errors="replace")
        for entry in _entries(text):
            if entry.get("event") == "message_media_updated":
                lines.append(_line(entry))
            elif entry.get("event") in _DEFECTS or "exception" in entry:
                surprises[f"{service.partition('-')[0]}: {entry.get('event')}: {_last(entry)}"] += 1
    return Evidence(
        taken_at=datetime.now(UTC),
        documents=list(collections["messages"].find()),
        blobs=list(collections["blobs"].find()),
        files=list(_files(site.disk.uploads)),
        unfinished=sorted(path.name for path in (site.disk.uploads / _UNFINISHED).glob("*")),
        letters=letters,
        waiting=waiting,
        lines=lines,
        surprises=surprises,
        leaks=await asyncio.to_thread(leaks, site),
    )


async def _queues(site: Site) -> tuple[list[Letter], dict[str, int]]:
    letters: list[Letter] = []
    waiting: dict[str, int] = {}
    async with await aio_pika.connect(site.servers.rabbitmq_url) as connection:
        channel = await connection.channel()
        for name in _DEAD_LETTERS:
            queue = await channel.get_queue(name, ensure=False)
            while (message := await queue.get(fail=False)) is not None:  # not acked: all come back with the close
                letters.append(_letter(name, message))
        for name in waiting_queues(site.settings):
            declared = await channel.declare_queue(name, passive=True)
            if count := declared.declaration_result.message_count:
                waiting[name] = count
    return letters, waiting


def waiting_queues(settings: Mapping[str, str]) -> Iterator[str]:
    """Where events wait for their turn, or for another attempt."""
    yield from WORK_QUEUES
    for delay in dict.fromkeys(settings["MEDIA_RETRY_DELAYS"].split(",")):
        yield from (f"{name}.retry.{delay}s" for name in WORK_QUEUES)


def _letter(queue: str, message: aio_pika.abc.AbstractIncomingMessage) -> Letter:
    try:
        body = json.loads(message.body)
    except ValueError:
        body = {}
    code = message.headers.get("x-error-code")
    return Letter(
        queue=queue,
        media_id=body.get("mediaId") if isinstance(body, dict) else None,
        code=code.decode() if isinstance(code, bytes) else str(code) if code is not None else None,
    )


def _files(root: Path) -> Iterator[File]:
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.is_file() and relative.parts[0] != _UNFINISHED:
            content = path.read_bytes()
            yield File(key=str(relative), sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def _entries(text: str) -> Iterator[JSON]:
    for line in text.split("\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _line(entry: JSON) -> Line:
    return Line(
        media_id=entry["mediaId"],
        revision=entry["revision"],
        status=entry["status"],
        timestamp=entry["timestamp"],
        service=entry["service"],
    )


def _last(entry: JSON) -> str:
    text = str(entry.get("exception", "")).strip()
    return _PARTICULARS.sub("", text.splitlines()[-1])[:120].strip() if text else ""
