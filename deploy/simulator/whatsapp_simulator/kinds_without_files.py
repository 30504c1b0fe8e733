"""The kinds that bring no file: words, errors, notices, statuses, other fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from whatsapp_simulator.contents import MessageContent, Other, SystemNotice, Text, Unsupported
from whatsapp_simulator.kinds import Composer, MessageKind, Order
from whatsapp_simulator.messages import HistoryChunk
from whatsapp_simulator.outbox import new_message_id
from whatsapp_simulator.parties import Customer
from whatsapp_simulator.updates import AccountError, FieldChange, Status, Update, WebhookError

if TYPE_CHECKING:
    from whatsapp_simulator.meta import Meta

_UNSUPPORTED = WebhookError(
    code=131051, title="Message type unknown", details="Message type is currently not supported."
)
_OLD_UNSUPPORTED = WebhookError(
    code=131051, title="Unsupported message type", details="Message type is not supported.", legacy=True
)
_UNDELIVERABLE = WebhookError(
    code=131052, title="Media download error", details="Failed to download the media from the sender."
)
_UNAVAILABLE = WebhookError(code=131060, title="This message is currently unavailable.")
_LATE = WebhookError(code=131047, title="Re-engagement message", details="More than 24 hours have passed.")
_THROTTLED = WebhookError(code=130429, title="Rate limit hit", details="Cloud API message throughput has been reached.")
_HISTORY_REFUSED = WebhookError(code=2593109, title="History sync is turned off by the business from the app")
_BUTTON = {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}}
_LIST = {"type": "list_reply", "list_reply": {"id": "7", "title": "Seven", "description": "The seventh"}}
_PLACE = {"latitude": 52.52, "longitude": 13.4, "name": "Berlin"}
_CONTACTS = [{"name": {"formatted_name": "Bo"}, "phones": [{"phone": "15550107777"}]}]
_ORDER = {"catalog_id": "1", "product_items": [{"product_retailer_id": "p", "quantity": 2, "item_price": 5}]}


def _message(content: MessageContent, *errors: WebhookError) -> Composer:
    return lambda meta, order: [order.message(meta, content, errors=errors)]


def _undeliverable_with_media(meta: Meta, order: Order) -> list[Update]:
    return [order.message(meta, order.attachment(meta, "photo"), errors=(_UNDELIVERABLE,))]


def _changed_user_id(meta: Meta, order: Order) -> list[Update]:
    old = order.sender.user_id or "US.10000000000000000001"
    notice = SystemNotice(what="user_changed_user_id", previous_user_id=old, user_id=f"{old}9")
    return [order.message(meta, notice, sender=replace(order.sender, user_id=f"{old}9"), in_contacts=False)]


def _changed_number(meta: Meta, order: Order) -> list[Update]:
    old = order.sender.wa_id or "15550109999"
    text = f"User {order.sender.name} changed from {old} to {old}9"
    notice = SystemNotice(what="user_changed_number", text=text, wa_id=f"{old}9")
    return [order.message(meta, notice, sender=Customer(wa_id=old), in_contacts=False)]


def _statuses(*names: str, errors: tuple[WebhookError, ...] = ()) -> Composer:
    def compose(meta: Meta, order: Order) -> list[Update]:
        message_id, now = new_message_id(), int(meta.clock.now())
        return [
            Status(
                number=order.number,
                id=message_id,
                timestamp=now,
                status=name,
                recipient_id=order.sender.wa_id,
                recipient_user_id=order.sender.user_id,
                errors=errors,
            )
            for name in names
        ]

    return compose


def _of_number(update: Callable[[Order], Update]) -> Composer:
    return lambda _, order: [update(order)]


def _none(words: str, compose: Composer) -> MessageKind:
    return MessageKind(words=words, compose=compose)


def _plain(words: str, type_: str, value: object) -> MessageKind:
    return _none(words, _message(Other(type=type_, value=value)))


KINDS_WITHOUT_FILES: Mapping[str, MessageKind] = MappingProxyType(
    {
        "text": _none("words", _message(Text(text="Hello"))),
        "location": _plain("a place", "location", _PLACE),
        "reaction": _plain("a thumb up", "reaction", {"message_id": "wamid.EXAMPLE==", "emoji": "\N{THUMBS UP SIGN}"}),
        "button": _plain("the answer to buttons", "interactive", _BUTTON),
        "list": _plain("the answer to a list", "interactive", _LIST),
        "template-button": _plain("the quick reply to a template", "button", {"payload": "yes", "text": "Yes"}),
        "order": _plain("an order from the catalogue", "order", _ORDER),
        "contacts": _plain("an address-book entry", "contacts", _CONTACTS),
        "unknown-type": _plain("a type that nobody knows yet", "hologram", {"id": "not-a-media-id", "depth": 3}),
        "unsupported": _none("131051: a poll", _message(Unsupported(what="poll_creation"), _UNSUPPORTED)),
        "unsupported-legacy": _none(
            "131051 of old: type `unknown`, `details` at top level",
            _message(Other(type="unknown", value=None), _OLD_UNSUPPORTED),
        ),
        "undeliverable": _none(
            "131052: a file that Meta could not take over", _message(Unsupported(what="image"), _UNDELIVERABLE)
        ),
        "undeliverable-with-media": MessageKind(
            words="131052 beside a media id that works", compose=_undeliverable_with_media, attachments=1
        ),
        "undeliverable-value": _none(
            "131052 in `value.errors`", _of_number(lambda it: AccountError(number=it.number, error=_UNDELIVERABLE))
        ),
        "unavailable": _none("131060: a message that this API does not get", _message(Unsupported(), _UNAVAILABLE)),
        "account-error": _none(
            "130429 in `value.errors`", _of_number(lambda it: AccountError(number=it.number, error=_THROTTLED))
        ),
        "user-changed-user-id": _none("the customer has a new user id", _changed_user_id),
        "user-changed-number": _none("the customer has a new phone number", _changed_number),
        "identity-changed": _none(
            "the customer's security code changed",
            _message(SystemNotice(what="customer_identity_changed", text="The customer's identity changed")),
        ),
        "status": _none("sent, delivered, read", _statuses("sent", "delivered", "read")),
        "failed-status": _none("a message of the business failed", _statuses("failed", errors=(_LATE,))),
        "history-refused": _none(
            "2593109: the business shares no history",
            _of_number(lambda it: HistoryChunk(number=it.number, refusal=_HISTORY_REFUSED)),
        ),
        "other-field": _none(
            "the field `account_alerts`, which has no `metadata`",
            _of_number(
                lambda it: FieldChange(
                    number=it.number,
                    field="account_alerts",
                    value={"entity_type": "WABA", "entity_id": it.number.waba_id},
                )
            ),
        ),
    }
)
