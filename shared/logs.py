"""One JSON object a line on stdout, the same fields everywhere, and no secret in any of them."""

import logging
import re
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.ids import new_correlation_id
from shared.settings import ServiceSettings
from shared.tracing import trace_id

REDACTED = "[redacted]"
_SHORTEST_BEARER = len("Bearer ") + 8

# values under these keys never reach a log, whatever they hold: credentials, and what a customer wrote or is called
_PRIVATE_KEYS = frozenset(
    {
        "accesstoken",
        "appsecret",
        "authorization",
        "body",
        "caption",
        "challenge",
        "cookie",
        "filename",
        "from",
        "headers",
        "name",
        "password",
        "secret",
        "sender",
        "signature",
        "token",
        "url",
        "userid",
        "username",
        "waid",
    }
)
_BEARER = re.compile(r"(?i)\b(bearer[ .]+)[A-Za-z0-9._~+/=-]{8,}")
_SIGNED_LINK = re.compile(r"(/media/)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_URL_PASSWORD = re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^/\s:@]*:)[^@\s/]+(?=@)")


def configure_logging(settings: ServiceSettings, *, service: str, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's loggers to stdout (else `stream`), in the chosen format, redacted.

    A line that belongs to no webhook, event or request has a `correlationId` too: that of this run of the service.
    """
    stream = stream or sys.stdout
    as_console = settings.log_format == "console" or (settings.log_format is None and stream.isatty())
    redact = Redaction(settings.secrets())
    of_this_run = new_correlation_id()

    def say_whose(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        event.setdefault("correlationId", of_this_run)
        if (trace := trace_id()) is not None:
            event["traceId"] = trace
        return event

    before: Sequence[Processor] = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        say_whose,
    )
    # a traceback is a text before it is redacted, and shows no local variables: they hold secrets
    render: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if as_console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    finish: Sequence[Processor] = (structlog.processors.format_exc_info, redact, render)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    # libraries tell us of their inner life at info; what matters of it we log ourselves
    for library in ("aiohttp.access", "pymongo", "motor"):
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))
    # these report each failed try to connect, with traceback, every second; `shared.broker.connection` says it once
    for library in ("aio_pika", "aiormq"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


class Redaction:
    """A structlog processor that blanks private keys and every known or recognisable secret inside texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # short texts would blank innocent words; URLs are handled by their password
        known = sorted({s for s in secrets if len(s) >= 8 and "://" not in s}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {key: value if key == "event" else self._value(key, value) for key, value in event.items()} | {
            "event": self._text(str(event.get("event", "")))
        }

    def _value(self, key: str, value: Any) -> Any:
        if value is not None and _is_private(key):
            return REDACTED
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {str(inner): self._value(str(inner), item) for inner, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value("", item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._text(str(value))

    def _text(self, text: str) -> str:
        # half a character (JSON from outside may hold one) cannot be written, and the line would be lost
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode()
        if self._secrets is not None:
            text = self._secrets.sub(REDACTED, text)
        # each pattern is only tried on a text that can hold it: these run for every field of every line
        if len(text) >= _SHORTEST_BEARER:
            text = _BEARER.sub(rf"\1{REDACTED}", text)
        if "/media/" in text:
            text = _SIGNED_LINK.sub(rf"\1{REDACTED}", text)
        if "://" in text:
            text = _URL_PASSWORD.sub(rf"\1{REDACTED}", text)
        return text


@lru_cache(maxsize=1024)
def _is_private(key: str) -> bool:
    return key.replace("_", "").replace("-", "").lower() in _PRIVATE_KEYS
