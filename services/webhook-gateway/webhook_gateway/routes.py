"""`/webhooks/whatsapp`: Meta's verification and its webhooks."""

import hmac
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from aiohttp import web
from prometheus_client import Counter, Histogram
from pydantic import SecretStr

from shared.access_log import TOLD
from shared.broker.publisher import PublishFailed
from shared.correlation import correlation_id
from shared.metrics import SIGNATURE_ERRORS
from webhook_gateway.bodies import Bodies, Incomplete, NoRoom, TooLarge
from webhook_gateway.intake import Intake, Taken
from webhook_gateway.problems import problem
from webhook_gateway.signature import SignatureProblem, signature_problem

log = structlog.get_logger(__name__)

WEBHOOKS = Counter(
    "attache_webhooks_total",
    "Webhooks by outcome: accepted, ignored, parked, unavailable, unauthorized, too_large or incomplete.",
    ("outcome",),
)
WEBHOOK_SECONDS = Histogram(
    "attache_webhook_seconds",
    "Time from the head of a webhook to its answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PATH = "/webhooks/whatsapp"
_NOT_TAKEN = ("unavailable", "unauthorized", "too_large", "incomplete")
_AGAIN = {"Retry-After": "5"}


class Webhooks:
    """The two routes. Checks come in the order of the contract: size, signature, content."""

    def __init__(
        self, intake: Intake, *, app_secrets: Sequence[SecretStr], verify_token: SecretStr, max_body_bytes: int
    ) -> None:
        self._intake = intake
        self._app_secrets = app_secrets
        self._verify_token = verify_token
        self._max_body_bytes = max_body_bytes
        self._bodies = Bodies(max_body_bytes=max_body_bytes)
        # at 0 from the start: increase() sees no first event of a series that begins with it
        for outcome in (*Taken, *_NOT_TAKEN):
            WEBHOOKS.labels(outcome)
        for reason in SignatureProblem:
            SIGNATURE_ERRORS.labels(reason)

    async def verify(self, request: web.Request) -> web.Response:
        """Echo Meta's challenge to whoever knows the verify token."""
        query = request.query
        challenge = query.get("hub.challenge")
        given = query.get("hub.verify_token", "").encode("utf-8", "surrogateescape")
        expected = self._verify_token.get_secret_value().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected) or query.get("hub.mode") != "subscribe" or not challenge:
            request[TOLD] = True
            log.warning("webhook.verification_refused", httpStatus=403)
            return problem(403, "forbidden", "Forbidden", "The verify token or a parameter of the handshake is wrong.")
        request[TOLD] = True
        log.info("webhook.verified", httpStatus=200)
        return web.Response(
            body=challenge.encode("utf-8", "surrogateescape"),
            content_type="text/plain",
            charset="utf-8",
            headers={"X-Content-Type-Options": "nosniff"},
        )

    async def receive(self, request: web.Request) -> web.Response:
        """200 only when every event of the webhook is confirmed by the broker."""
        started = time.perf_counter()
        answer = await self._answer(request, correlation_id())
        seconds = time.perf_counter() - started
        WEBHOOKS.labels(answer.outcome).inc()
        WEBHOOK_SECONDS.observe(seconds)
        request[TOLD] = True
        log.log(
            logging.INFO if answer.response.status == HTTPStatus.OK else logging.WARNING,
            "webhook.handled",
            outcome=answer.outcome,
            httpStatus=answer.response.status,
            durationMs=round(seconds * 1000, 1),
            **answer.facts,
        )
        return answer.response

    async def _answer(self, request: web.Request, correlation_id: str) -> "_Answer":
        try:
            async with self._bodies.of(request) as body:
                return await self._taken(request, body, correlation_id)
        except TooLarge:
            detail = f"A webhook may have {self._max_body_bytes} bytes."
            return _Answer("too_large", problem(413, "payload_too_large", "Payload too large", detail))
        except Incomplete as error:
            detail = "The body did not arrive whole."
            return _Answer("incomplete", problem(400, "bad_request", "Bad request", detail), {"reason": str(error)})
        except NoRoom:
            detail = "Too many webhooks are arriving at once; send it again."
            return _Answer(
                "unavailable",
                problem(503, "busy", "Service unavailable", detail, _AGAIN),
                {"reason": "more bodies are on their way than there is room for; this one was the slowest"},
            )

    async def _taken(self, request: web.Request, body: bytes, correlation_id: str) -> "_Answer":
        refused = signature_problem(request.headers.get("X-Hub-Signature-256"), body, self._app_secrets)
        if refused is not None:
            SIGNATURE_ERRORS.labels(refused).inc()
            detail = "X-Hub-Signature-256 does not fit this body and this app."
            return _Answer("unauthorized", problem(401, "unauthorized", "Unauthorized", detail), {"reason": refused})
        try:
            receipt = await self._intake.take(body, correlation_id=correlation_id)
        except PublishFailed as error:
            detail = "The webhook could not be made safe; send it again."
            return _Answer(
                "unavailable",
                problem(503, "broker_unavailable", "Service unavailable", detail, _AGAIN),
                {"reason": str(error), "bytes": len(body)},
            )
        facts = {
            "bytes": len(body),
            "events": receipt.events,
            "unreadable": receipt.unreadable,
            "fields": dict(receipt.fields),
        }
        return _Answer(receipt.outcome, web.Response(), facts)


@dataclass(frozen=True)
class _Answer:
    outcome: str
    response: web.Response
    facts: Mapping[str, object] = field(default_factory=dict)
