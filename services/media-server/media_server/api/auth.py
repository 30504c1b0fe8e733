"""The two roles of the API and their bearer tokens."""

import hmac
from collections.abc import Awaitable, Callable
from enum import IntEnum
from http import HTTPStatus

from aiohttp import web
from pydantic import SecretStr

from media_server.problems import Problem

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Role(IntEnum):
    """Ordered: who may do the greater may do the lesser."""

    OPERATOR = 1
    ADMIN = 2


class Tokens:
    """Tells whose token it is, in a time that says nothing about the tokens."""

    def __init__(self, *, operator: SecretStr, admin: SecretStr) -> None:
        self._tokens = {
            role: token.get_secret_value().encode() for role, token in ((Role.OPERATOR, operator), (Role.ADMIN, admin))
        }

    def demand(self, token: str | None, role: Role) -> None:
        """Raise 401 `unauthorized` for no known token, 403 `forbidden` for one of a lesser role."""
        given = (token or "").encode("utf-8", "surrogateescape")  # a header may hold any bytes
        # every token is compared, also after one that matched
        matching = [role for role, known in self._tokens.items() if hmac.compare_digest(given, known)]
        if not matching:
            challenge = 'Bearer realm="attache"' + ("" if token is None else ', error="invalid_token"')
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "send the header `Authorization: Bearer` with OPERATOR_TOKEN or ADMIN_TOKEN",
                headers={"WWW-Authenticate": challenge},
            )
        if max(matching) < role:
            raise Problem(HTTPStatus.FORBIDDEN, "forbidden", f"this needs the token of the role {role.name.lower()}")


TOKENS: web.AppKey[Tokens] = web.AppKey("tokens", Tokens)


def bearer(request: web.Request) -> str | None:
    """The token of the Authorization header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def only(role: Role, handler: _Handler) -> _Handler:
    """The handler, for those who have at least this role."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        request.app[TOKENS].demand(bearer(request), role)
        return await handler(request)

    return guarded
