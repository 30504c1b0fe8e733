"""W3C trace context and spans, by OpenTelemetry's API alone: `shared.tracing_export` sends them, when it is wanted.

Without an exporter a span costs next to nothing, and a trace that came in still goes on to whoever is next.
No name and no attribute of a span holds personal data, a token or a link: a collector is somebody else's house.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.errors import PipelineError
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

Attributes = Mapping[str, str | int | float | bool]

_HEADERS = ("traceparent", "tracestate")
_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("attache")  # becomes the real one as soon as there is one
_is_exporting = False


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    carrier: Mapping[str, Any] | None = None,
) -> Iterator[Span]:
    """What is done inside is one span, a child of the one around it; with a `carrier`, of the trace in its headers.

    An error marks the span by its code or type; its text may hold anything and stays out.
    """
    if not (_is_exporting or (carrier is not None and (_HEADERS[0] in carrier or trace_id() is not None))):
        yield trace.INVALID_SPAN  # nobody looks at it, and nothing has to be passed on
        return
    context = None if carrier is None else _PROPAGATOR.extract(carried(carrier), context=Context())
    current = _TRACER.start_span(name, context, kind, attributes, record_exception=False, set_status_on_exception=False)
    token = attach(trace.set_span_in_context(current))
    try:
        yield current
    except BaseException as error:
        failed(current, error.code.value if isinstance(error, PipelineError) else type(error).__name__)
        raise
    finally:
        detach(token)
        current.end()


@contextmanager
def exporting(settings: ServiceSettings, *, service: str) -> Iterator[None]:
    """Send the spans of this process to a collector while this lasts, if the settings name one.

    Whatever is wrong with that is told and keeps no service from its work.
    """
    global _is_exporting  # a process has one tracer provider, once and for all
    export = None
    if settings.otel_exporter_otlp_endpoint is not None:
        try:
            from shared.tracing_export import Export  # only now: it takes a while, and not every installation has it

            headers = settings.otel_exporter_otlp_headers
            export = Export(
                settings.otel_exporter_otlp_endpoint.get_secret_value(),
                headers="" if headers is None else headers.get_secret_value(),
                service=service,
            )
            _is_exporting = True
        except (ImportError, ValueError) as error:
            # most of what the SDK cannot use it replaces by its default; what it raises ends here
            log.error(
                "tracing.not_started",
                reason=type(error).__name__,  # its text may hold a key
                next="pip install 'attache[tracing]'; check the OTEL_ settings",
            )
    try:
        yield
    finally:
        if export is not None:
            export.stop()


def failed(current: Span, error_type: str) -> None:
    """Mark a span as one that did not do what it was for."""
    current.set_attribute("error.type", error_type)
    current.set_status(StatusCode.ERROR)


def annotate(attributes: Attributes) -> None:
    """Add to the span that is under way here, if there is one."""
    trace.get_current_span().set_attributes(dict(attributes))


def inject(headers: MutableMapping[str, Any]) -> None:
    """Let whoever reads these headers go on with the trace that is under way here; without one nothing is added."""
    _PROPAGATOR.inject(headers)


def carried(headers: Mapping[str, Any]) -> dict[str, str]:
    """The trace context in these headers as it came, for what is only passed on. They may hold anything."""
    return {name: value for name in _HEADERS if isinstance(value := headers.get(name), str)}


def trace_id() -> str | None:
    """Of the trace that is under way here, as collectors show it."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
