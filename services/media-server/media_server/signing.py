"""Signed links, pure: a JWT (HS256) that carries everything needed to serve the file, so no database is asked.

The expiry is aligned to windows of half the lifetime: within one window a file's link stays the same, byte for byte,
and a browser's cache works; every link handed out still lives for at least half the lifetime and never longer.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import jwt
from pydantic import Field, SecretStr, ValidationError

from shared.model import Model

_ALGORITHM = "HS256"
_PURPOSE = "attache:media"  # the audience: a token made for anything else opens no file


class LinkProblem(StrEnum):
    """Why a link is refused; the contract's codes and the label of the metric."""

    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, not a secret
    BAD_SIGNATURE = "bad_signature"
    MALFORMED = "malformed"


class BadLink(Exception):
    """The link opens nothing."""

    def __init__(self, problem: LinkProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class File(Model):
    """What a link shows: where the bytes are, and how they are presented. All of it is signed."""

    key: str = Field(min_length=1)
    what: str  # `original`, or the rendition's name
    mime_type: str
    file_name: str
    inline: bool


class SignedLink(Model):
    """A path-absolute URL and the moment it ends."""

    url: str
    expires_at: datetime


class OpenedLink(Model):
    """A link whose signature is right and whose time has not come."""

    file: File
    expires_at: datetime


class Links:
    """Makes and opens links. The previous secret opens, only the current one makes."""

    def __init__(self, *, secret: SecretStr, previous: SecretStr | None, ttl_seconds: int) -> None:
        self._secret = secret
        self._accepted: Sequence[SecretStr] = (secret,) if previous is None else (secret, previous)
        self._ttl_seconds = ttl_seconds
        self._window_seconds = max(1, ttl_seconds // 2)

    def sign(self, file: File, *, now: datetime) -> SignedLink:
        """The file's link in the present window."""
        window_start = int(now.timestamp()) // self._window_seconds * self._window_seconds
        expires = window_start + self._ttl_seconds
        claims = {"aud": _PURPOSE, "exp": expires, **file.to_json()}
        token = jwt.encode(claims, self._secret.get_secret_value(), algorithm=_ALGORITHM)
        return SignedLink(
            url=f"/media/{token}/{quote(file.file_name, safe='')}", expires_at=datetime.fromtimestamp(expires, UTC)
        )

    def open(self, token: str, *, now: datetime) -> OpenedLink:
        """What the link shows; `BadLink` when it shows nothing (any more)."""
        claims = self._verified(token)
        try:
            file = File.model_validate(claims)
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        except (ValidationError, TypeError, ValueError, OverflowError) as error:
            raise BadLink(LinkProblem.MALFORMED) from error
        if now >= expires_at:
            raise BadLink(LinkProblem.TOKEN_EXPIRED)
        return OpenedLink(file=file, expires_at=expires_at)

    def _verified(self, token: str) -> dict[str, Any]:
        for secret in self._accepted:
            try:
                return jwt.decode(
                    token,
                    secret.get_secret_value(),
                    algorithms=[_ALGORITHM],
                    audience=_PURPOSE,
                    # the time is judged by `open`, with the caller's clock and after the signature
                    options={"require": ["exp", "aud"], "verify_exp": False},
                )
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidAlgorithmError, jwt.InvalidAudienceError, jwt.MissingRequiredClaimError) as error:
                raise BadLink(LinkProblem.BAD_SIGNATURE) from error
            except jwt.InvalidTokenError as error:
                raise BadLink(LinkProblem.MALFORMED) from error
        raise BadLink(LinkProblem.BAD_SIGNATURE)
