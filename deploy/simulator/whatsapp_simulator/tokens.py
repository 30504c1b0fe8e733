"""Access tokens: which numbers each may read, and what is wrong with the others."""

from __future__ import annotations

from enum import Enum


class TokenProblem(Enum):
    """Why a request's token is refused (Graph code 190)."""

    UNREADABLE = "missing, or never issued"
    EXPIRED = "issued once, no longer valid"


class Tokens:
    """Every token that was issued. A token may serve several numbers, a number may have several tokens."""

    def __init__(self) -> None:
        self._numbers: dict[str, set[str]] = {}
        self._expired: set[str] = set()

    def grant(self, token: str, phone_number_id: str) -> None:
        """Let `token` read the media of this number; an expired one becomes valid again."""
        self._numbers.setdefault(token, set()).add(phone_number_id)
        self._expired.discard(token)

    def replace(self, phone_number_id: str, token: str) -> None:
        """Issue a new token for this number and let all its earlier ones expire."""
        for old, numbers in self._numbers.items():
            if phone_number_id in numbers:
                self._expired.add(old)
        self.grant(token, phone_number_id)

    def expire(self, token: str) -> None:
        """Refuse `token` from now on, with the words for an expired session."""
        self._expired.add(token)

    def readable_numbers(self, authorization: str | None) -> frozenset[str] | TokenProblem:
        """The numbers whose media the bearer of this `Authorization` header may read."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or token not in self._numbers:
            return TokenProblem.UNREADABLE
        if token in self._expired:
            return TokenProblem.EXPIRED
        return frozenset(self._numbers[token])
