"""Who writes to whom."""

from __future__ import annotations

from dataclasses import dataclass

from whatsapp_simulator.encoding import present


@dataclass(frozen=True, kw_only=True)
class BusinessNumber:
    """One number of the business: the addressee of every webhook."""

    phone_number_id: str
    display_phone_number: str = "15550100001"
    waba_id: str = "100200300400500"


@dataclass(frozen=True, kw_only=True)
class Customer:
    """Who writes. Since 2026 any of it may be missing, the phone number (`wa_id`) too; `wa_id=""` sends it empty."""

    name: str | None = None
    username: str | None = None
    wa_id: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None

    def contact(self) -> dict[str, object]:
        """An entry of `contacts[]`; empty when nothing is known."""
        profile = present(name=self.name, username=self.username)
        return present(
            profile=profile or None, wa_id=self.wa_id, user_id=self.user_id, parent_user_id=self.parent_user_id
        )

    def as_sender(self) -> dict[str, object]:
        """The keys by which a message names who wrote it."""
        return self._keys("from", "from_user_id", "from_parent_user_id")

    def as_addressee(self) -> dict[str, object]:
        """The keys by which an echo names whom the business wrote to."""
        return self._keys("to", "to_user_id", "to_parent_user_id")

    def _keys(self, *names: str) -> dict[str, object]:
        values = (self.wa_id, self.user_id, self.parent_user_id)
        return present(**dict(zip(names, values, strict=True)))
