"""One update of a webhook, and those that are not messages: statuses, errors, other fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from whatsapp_simulator.encoding import present
from whatsapp_simulator.parties import BusinessNumber


class Update(Protocol):
    """One update. `field` is the webhook field that carries it; `alone`: it shares its change with no other."""

    @property
    def number(self) -> BusinessNumber: ...

    @property
    def field(self) -> str: ...

    @property
    def alone(self) -> bool: ...

    def add_to(self, value: dict[str, Any]) -> None:
        """Add itself to the `value` of a change."""
        ...


@dataclass(frozen=True, kw_only=True)
class WebhookError:
    """An entry of `errors[]`; `legacy` has the details at top level and no message."""

    code: int
    title: str
    details: str | None = None
    legacy: bool = False

    def as_json(self) -> dict[str, object]:
        head: dict[str, object] = {"code": self.code, "title": self.title}
        if self.legacy:
            return head | present(details=self.details)
        return head | {"message": self.title} | present(error_data=self.details and {"details": self.details})


@dataclass(frozen=True, kw_only=True)
class Status:
    """One entry of `statuses[]`: what became of a message that the business sent."""

    number: BusinessNumber
    id: str
    timestamp: int
    status: str
    recipient_id: str | None = None
    recipient_user_id: str | None = None
    errors: Sequence[WebhookError] = ()
    biz_opaque_callback_data: str | None = None
    field: str = "messages"

    @property
    def alone(self) -> bool:
        return False

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "status": self.status, "timestamp": str(self.timestamp)} | present(
            recipient_id=self.recipient_id,
            recipient_user_id=self.recipient_user_id,
            errors=[error.as_json() for error in self.errors] or None,
            biz_opaque_callback_data=self.biz_opaque_callback_data,
        )

    def add_to(self, value: dict[str, Any]) -> None:
        value.setdefault("statuses", []).append(self.as_json())


@dataclass(frozen=True, kw_only=True)
class AccountError:
    """An entry of `value.errors[]`: trouble of the whole number, or of a message that Meta could not build."""

    number: BusinessNumber
    error: WebhookError
    field: str = "messages"

    @property
    def alone(self) -> bool:
        return False

    def add_to(self, value: dict[str, Any]) -> None:
        value.setdefault("errors", []).append(self.error.as_json())


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """A change of another field (`account_alerts`, `flows`, …): its value is all there is, without `metadata`."""

    number: BusinessNumber
    field: str
    value: Mapping[str, object]

    @property
    def alone(self) -> bool:
        return True

    def add_to(self, value: dict[str, Any]) -> None:
        value.clear()
        value.update(self.value)
