"""The pieces of which the specification's paths are made."""

from http import HTTPStatus
from typing import Any

from media_server.api.schemas import ProblemDetails
from shared.model import Model

SCHEMAS = "#/components/schemas/"
SIGNED_IN: list[dict[str, list[str]]] = [{"bearer": []}]


def at(place: str, name: str, description: str, **schema: Any) -> dict[str, Any]:
    """A parameter; those of the path are required, texts unless `schema` says otherwise."""
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": schema or {"type": "string"},
    }


def answers(model: type[Model], description: str, status: int = HTTPStatus.OK) -> dict[str, Any]:
    """The answer that is no error."""
    content = {"application/json": {"schema": {"$ref": SCHEMAS + model.__name__}}}
    return {str(int(status)): {"description": description, "content": content}}


def problems(**described: str) -> dict[str, Any]:
    """Errors, each by `status_<number>`."""
    content = {"application/problem+json": {"schema": {"$ref": SCHEMAS + ProblemDetails.__name__}}}
    return {name.removeprefix("status_"): {"description": text, "content": content} for name, text in described.items()}


def takes(model: type[Model], *, required: bool = True) -> dict[str, Any]:
    """A JSON body."""
    content = {"application/json": {"schema": {"$ref": SCHEMAS + model.__name__}}}
    return {"required": required, "content": content}


NO_TOKEN = problems(status_401="no bearer token, or an unknown one", status_503="a part of the service is away")
NO_ADMIN = problems(status_403="`forbidden`: this needs ADMIN_TOKEN")
UNKNOWN = problems(status_404="`not_found`: no such id")
BAD_REQUEST = problems(status_400="`bad_request`: the detail says what would be right")
LIMIT = at("query", "limit", "how many items", type="integer", minimum=1, maximum=200, default=50)
CURSOR = at("query", "cursor", "`nextCursor` of the page before")
