"""Sends spans to an OpenTelemetry collector, beside the work: bounded in memory, bounded at the end, never in its way.

The one module that imports OpenTelemetry's SDK. What else there is to set (`OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`,
`OTEL_RESOURCE_ATTRIBUTES`) the SDK reads from the environment itself.
"""

import logging
import socket
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.util.re import parse_env_headers

log = structlog.get_logger(__name__)

_FLUSH_SECONDS = 3.0
"""How long a stopping service waits for the last spans to be taken."""


class Export:
    """Spans of this process go to `endpoint` from now on, until `stop`, with these `headers` (`name=value,…`)."""

    def __init__(self, endpoint: str, *, headers: str, service: str) -> None:
        # what the SDK has to say of a collector that is away it says again and again; `_Telling` says it once
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        resource = Resource.create({"service.name": service, "host.name": socket.gethostname()})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", headers=parse_env_headers(headers, liberal=True)
        )
        self._provider.add_span_processor(BatchSpanProcessor(_Telling(exporter)))
        trace.set_tracer_provider(self._provider)
        log.info("tracing.started", host=urlsplit(endpoint).hostname)  # the rest may hold a key

    def stop(self) -> None:
        """Send what is left; give it up when the collector takes longer than a stopping service can wait."""
        # the SDK's own limits may add up to a minute, and its worker is a daemon: it ends with the process
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(_FLUSH_SECONDS)
        if last.is_alive():
            log.warning("tracing.not_flushed", next="the last spans of this run are lost, and nothing else is")


class _Telling(SpanExporter):
    """Says once that the collector does not take spans, and once that it does again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        is_failing = result is not SpanExportResult.SUCCESS
        if is_failing and not self._is_failing:
            log.warning(
                "tracing.not_exported",
                next="see whether a collector answers at OTEL_EXPORTER_OTLP_ENDPOINT; only these spans are lost",
            )
        elif self._is_failing and not is_failing:
            log.info("tracing.exported_again")
        self._is_failing = is_failing
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)
