"""Every message of a webhook, found however oddly the rest of it is built."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.events import Event, MediaReceived
from shared.media import Customer
from webhook_gateway.whatsapp.attachments import Unclear
from webhook_gateway.whatsapp.change import Change, Source
from webhook_gateway.whatsapp.fields import OTHER_FIELDS, field_of
from webhook_gateway.whatsapp.messages import events_of, missing_attachment
from webhook_gateway.whatsapp.people import customer_known_as
from webhook_gateway.whatsapp.reading import Node, listed, node, nodes, parse_json
from webhook_gateway.whatsapp.rejections import rejection_in

_OBJECT = "whatsapp_business_account"


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A part of the webhook that may carry media and was not understood; the reason holds no personal data."""

    reason: str
    phone_number_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """All that a webhook says. `fields` counts its changes. A webhook of another product says nothing."""

    events: tuple[Event, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    fields: Mapping[str, int]


def parse(body: bytes, *, received_at: datetime) -> Parsed:
    """Never raises: one odd item does not sink its neighbours, and what is not understood is named."""
    unreadable: list[Unreadable] = []
    try:
        source = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        # text of a customer that is broken in one place should not hide the attachments beside it
        source = body.decode("utf-8-sig", "replace")
        unreadable.append(Unreadable(reason="not UTF-8"))
    try:
        webhook = parse_json(source)
    except ValueError as error:
        reason = "nested too deeply" if str(error) == "nested too deeply" else "not JSON"
        return Parsed(unreadable=(*unreadable, Unreadable(reason=reason)), fields={})
    if not isinstance(webhook, dict):
        return Parsed(unreadable=(*unreadable, Unreadable(reason="not an object")), fields={})
    if isinstance(webhook.get("object"), str) and webhook["object"] != _OBJECT:
        return Parsed(fields={})
    events: list[Event] = []
    fields: Counter[str] = Counter()
    for found in _changes(webhook):
        if isinstance(found, Unreadable):
            unreadable.append(found)
            continue
        fields[field_of(found.change)] += 1
        for item in _of_change(found, received_at=received_at):
            if isinstance(item, Unreadable):
                unreadable.append(item)
            else:
                events.append(item)
    return Parsed(events=tuple(events), unreadable=tuple(unreadable), fields=dict(fields))


@dataclass(frozen=True, kw_only=True)
class _Found:
    change: Node
    where: str


def _changes(webhook: Node) -> Iterator[_Found | Unreadable]:
    if webhook.get("entry") is None:
        yield Unreadable(reason="entry is missing")
    for entry, where in _objects(webhook, "entry", ""):
        if entry is None:
            yield Unreadable(reason=f"{where} cannot be read")
            continue
        for change, place in _objects(entry, "changes", f"{where}."):
            if change is None or _is_garbled(change):
                yield Unreadable(reason=f"{place} cannot be read")
            else:
                yield _Found(change=change, where=place)


def _is_garbled(change: Node) -> bool:
    """Whether a field that may carry media has something else where its value should be."""
    may_carry_media = field_of(change) not in OTHER_FIELDS
    return may_carry_media and not isinstance(change.get("value"), dict | None)


def _of_change(found: _Found, *, received_at: datetime) -> Iterator[Event | Unreadable]:
    value = node(found.change.get("value"))
    change = Change.of(value, received_at=received_at)
    errors = rejection_in(value.get("errors"))
    explained = False
    messages = list(_messages(value, found))
    for message, where, source, thread in messages:
        if message is None:
            yield Unreadable(reason=f"{where} cannot be read", phone_number_id=change.phone_number_id)
            continue
        alone = len(messages) == 1
        for item in events_of(message, change, source, thread=thread, otherwise=errors, alone=alone):
            explained = explained or (isinstance(item, MediaReceived) and item.rejection == errors)
            yield _named(item, where, change)
    if errors is not None and not explained:
        yield _named(missing_attachment(value, change, errors), found.where, change)


def _named(item: Event | Unclear, where: str, change: Change) -> Event | Unreadable:
    if isinstance(item, Unclear):
        return Unreadable(reason=f"{item.reason} at {where}", phone_number_id=change.phone_number_id)
    return item


_Message = tuple[Node | None, str, Source, Customer]


def _messages(value: Node, found: _Found) -> Iterator[_Message]:
    """Every message of a change, wherever it stands: the keys of the value count more than the field's name."""
    nobody = Customer()
    plain = Source.HISTORY if found.change.get("field") == "history" else Source.MESSAGES
    base = f"{found.where}.value."
    for key, source in (("messages", plain), ("message_echoes", Source.ECHOES), ("calls", Source.CALLS)):
        for message, where in _objects(value, key, base):
            yield message, where, source, nobody
    for recording, where in _objects(value, "call_recording", base):
        call = _only_object(value.get("calls"))
        yield None if recording is None else {**call, **recording}, where, Source.CALLS, nobody
    for chunk, chunk_where in _objects(value, "history", base):
        for thread, thread_where in _objects(chunk, "threads", f"{chunk_where}."):
            customer = customer_known_as(node(thread).get("id"))
            for message, where in _objects(thread, "messages", f"{thread_where}."):
                yield message, where, Source.HISTORY, customer


def _only_object(items: Any) -> Node:
    """Of which call a recording is that stands beside the calls: there is no doubt when there is one."""
    found = nodes(items)
    return found[0] if len(found) == 1 else {}


def _objects(parent: Node | None, key: str, where: str) -> Iterator[tuple[Node | None, str]]:
    """Each object of a list with its place in the webhook; `None` for what is neither an object nor null."""
    items: Any = listed(node(parent).get(key))
    if items is None:
        yield None, f"{where}{key}"
        return
    for index, item in enumerate(items):
        if item is not None:
            yield (item if isinstance(item, dict) else None), f"{where}{key}[{index}]"
