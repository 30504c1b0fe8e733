"""Errors as `application/problem+json` (RFC 9457), whatever part of the service they come from."""

import json
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from aiohttp import ClientConnectionResetError, web
from aiohttp.typedefs import Handler

from shared.clock import system_clock
from shared.model import rfc3339
from shared.repository.mongo import DatabaseError

log = structlog.get_logger(__name__)

RETRY_SECONDS = 5
"""How long a client should wait when a part of ours is away; what is away is looked for every second."""

# what aiohttp itself answers with, in the contract's words; other statuses become `bad_request` or `internal`
_CODES = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.UPGRADE_REQUIRED: "upgrade_required",
}


class Problem(Exception):
    """Ends a request with this error. `detail` is for people and says what would be right."""

    def __init__(self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """The answer. It carries our time, so that a wrong clock shows in every complaint about an expired link."""
        body = {
            "code": self.code,
            "title": HTTPStatus(self.status).phrase,
            "detail": self.detail,
            "status": self.status,
            "serverTime": rfc3339(system_clock()),
        }
        return web.Response(
            status=self.status,
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/problem+json", "Cache-Control": "no-store", **self.headers},
        )


def not_found(detail: str) -> Problem:
    """404 `not_found`."""
    return Problem(HTTPStatus.NOT_FOUND, "not_found", detail)


def bad_request(detail: str) -> Problem:
    """400 `bad_request`."""
    return Problem(HTTPStatus.BAD_REQUEST, "bad_request", detail)


def unavailable(detail: str) -> Problem:
    """503 `unavailable`: passes by itself."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into its problem."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _of_aiohttp(error).response()
    except ClientConnectionResetError:
        raise  # the client is gone: nobody reads an answer
    except DatabaseError as error:
        log.warning("database.unavailable", reason=type(error).__name__)
        return unavailable("the database does not answer; nothing was changed, try again").response()
    except Exception:
        log.exception("request.failed")
        return Problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "a defect of ours; the log of the media-server tells more"
        ).response()


def _of_aiohttp(error: web.HTTPException) -> Problem:
    fallback = "bad_request" if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal"
    code = _CODES.get(HTTPStatus(error.status), fallback)
    allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    details = {
        "not_found": "nothing is here; /api/openapi.json lists what is",
        "method_not_allowed": f"this path takes {allowed.get('Allow', 'other methods')}",
    }
    return Problem(error.status, code, details.get(code, error.text or error.reason), headers=allowed)
