"""Looks for what no log, metric or trace may show: secrets, and what customers are called, wrote and sent.

It knows what was sent, so that it finds a name or a caption wherever it is; and it knows what tokens and signed links
look like, so that it finds those that nobody told it of. The base64 of a wamid may hold a number: that is allowed.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, quote_plus, urlsplit

from whatsapp_simulator.updates import Update
from whatsapp_simulator.webhooks import envelope

_PRIVATE = {
    "caption": "a caption",
    "filename": "a file name",
    "name": "a name",
    "username": "a user name",
    "wa_id": "a phone number",
    "from": "a phone number",
    "to": "a phone number",
    "display_phone_number": "a phone number",
    "user_id": "a user id",
    "from_user_id": "a user id",
    "to_user_id": "a user id",
    "parent_user_id": "a user id",
}
"""What a webhook says of people, by its key."""
_SECRETS = {
    "WHATSAPP_APP_SECRET": "an app secret",
    "WHATSAPP_VERIFY_TOKEN": "a verify token",
    "WHATSAPP_ACCESS_TOKEN": "an access token",
    "CREDENTIALS_ENCRYPTION_KEY": "an encryption key",
    "FILES_SIGNING_SECRET": "a signing secret",
    "FILES_SIGNING_SECRET_PREVIOUS": "a signing secret",
    "OPERATOR_TOKEN": "a bearer token",
    "ADMIN_TOKEN": "a bearer token",
}
_USUAL_PASSWORD = "guest"  # RabbitMQ's own, on loopback: the word is also the name of its user
_PATTERNS = {
    "something like a JWT": r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    "something like a bearer token": r"(?i:bearer)(?:[ .+]|%20)+(?!\[redacted\])[A-Za-z0-9._~+/=-]{8,}",
    "something like an access token of Meta": r"(?<![A-Za-z0-9])EAA[A-Za-z0-9_-]{20,}",
    "a link to a file": r"/media/(?!\{token\}|\[redacted\])[A-Za-z0-9._-]{20,}/",
    "a link to a file at Meta": r"https?://[^\s\"'<>]*(?:fbsbx\.com|fbcdn\.net)/[^\s\"'<>]*\?",
    "a password in a URL": r"[a-z][a-z0-9+.-]*://[^/\s:@\"']*:(?!\[redacted\]@|guest@)[^@\s/\"']+@",
}
_CONTEXT = 40


@dataclass(frozen=True, kw_only=True)
class Leak:
    """`what` stands in `where`; `excerpt` shows it."""

    where: str
    what: str
    excerpt: str


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """Immutable. `knowing` and `after` give one that knows more."""

    words: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def knowing(self, what: str, words: Iterable[str | None]) -> Self:
        """It also finds these texts."""
        known = self.words.get(what, frozenset()) | {word for word in words if word}
        return type(self)(words={**self.words, what: known})

    def knowing_settings(self, settings: Mapping[str, str]) -> Self:
        """It also finds the secrets among these settings, and the passwords in their URLs."""
        scanner = self
        for name, value in settings.items():
            if name in _SECRETS:
                scanner = scanner.knowing(_SECRETS[name], value.split(","))
            password = urlsplit(value).password if "://" in value else None
            if password not in {None, _USUAL_PASSWORD}:
                scanner = scanner.knowing("a password", [password])
        return scanner

    def after(self, updates: Sequence[Update]) -> Self:
        """It also finds what these said of people."""
        return self.after_body(envelope(updates))

    def after_body(self, body: Any) -> Self:
        """The same for the JSON of a webhook."""
        scanner = self
        for what, word in _private(body):
            scanner = scanner.knowing(what, [word])
        return scanner

    def leaks(self, texts: Mapping[str, str]) -> list[Leak]:
        """Everything found, each once for each place and kind. `texts`: by where they were seen."""
        patterns = {**{what: _pattern(what, words) for what, words in self.words.items() if words}, **_PATTERNS}
        found = []
        for what, pattern in patterns.items():
            compiled = re.compile(pattern)
            for where, text in texts.items():
                if match := compiled.search(text):
                    excerpt = text[max(0, match.start() - _CONTEXT) : match.end() + _CONTEXT]
                    found.append(Leak(where=where, what=what, excerpt=excerpt))
        return found

    def leaks_below(self, folder: Path, *, apart_from: Iterable[Path] = ()) -> list[Leak]:
        """The same for every file in this folder and below it. Raise when there is none: that would prove nothing."""
        left_out = set(apart_from)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in left_out]
        if not files:
            msg = f"there is nothing to look at in {folder}"
            raise FileNotFoundError(msg)
        return self.leaks({str(path.relative_to(folder)): path.read_text(errors="replace") for path in files})


def _private(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _private(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str) and key in _PRIVATE:
                yield _PRIVATE[key], item
            else:
                yield from _private(item)


def _pattern(what: str, words: Iterable[str]) -> str:
    """Each as it stands, and as JSON and URLs write it; what may be a usual word not as a part of another."""
    forms = {form for word in words for form in (word, json.dumps(word)[1:-1], quote(word), quote_plus(word))}
    longest_first = sorted(forms, key=len, reverse=True)
    any_of_them = "|".join(map(re.escape, longest_first))
    return f"(?<![A-Za-z0-9])(?:{any_of_them})(?![A-Za-z0-9])" if what in _PRIVATE.values() else any_of_them
