"""Reading a JSON body: what is wrong is answered with what would be right, and never with what was sent."""

from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import AfterValidator, ConfigDict, SecretStr, ValidationError

from media_server.problems import bad_request
from shared.model import Model

SHORTEST_TOKEN = 16


def _one_line(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError
    return value


def _access_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError
    return value


OneLine = Annotated[str, AfterValidator(_one_line)]
AccessToken = Annotated[SecretStr, AfterValidator(_access_token)]


class Body(Model):
    """What a client sends. A field's `description` completes the sentence "expected …"."""

    model_config = ConfigDict(extra="forbid", strict=True)


B = TypeVar("B", bound=Body)


async def read_body(request: web.Request, body_type: type[B], *, ignored: frozenset[str] = frozenset()) -> B:
    """The body, or 400 with every mistake in it. `ignored`: what our own answers hold and a client may send back."""
    fields = {name: value for name, value in (await _object(request)).items() if name not in ignored}
    try:
        return body_type.model_validate(fields)
    except ValidationError as error:
        wrong = {str(mistake["loc"][0]): mistake["type"] for mistake in error.errors(include_input=False)}
        raise bad_request("; ".join(_told(body_type, name, kind) for name, kind in wrong.items())) from None


async def _object(request: web.Request) -> dict[str, Any]:
    if not request.can_read_body:
        return {}
    try:
        value = await request.json()
    except (ValueError, LookupError, RecursionError):  # also a number that is too long, and a charset that is none
        value = None
    if not isinstance(value, dict):
        msg = "the body is a JSON object, in UTF-8; /api/openapi.json lists its fields"
        raise bad_request(msg)
    return value


def _told(body_type: type[Body], name: str, kind: str) -> str:
    described = {field.alias or own: field.description for own, field in body_type.model_fields.items()}
    if name not in described:
        # the name itself may be anything, even a token that stands on the wrong side
        return f"there is a field that is not known; known are {', '.join(described)}"
    return f"{name} {'is missing' if kind == 'missing' else 'is not right'}; expected {described[name]}"
