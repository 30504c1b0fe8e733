"""An OpenTelemetry collector: takes OTLP over HTTP as any real one does, and keeps every span as it came."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Told

_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Span:
    """One span, ids in hex as in `traceparent`. `parent_id` is empty for the first of a trace."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str]
    has_failed: bool


class Collector:
    """What came, in the order in which it came. `raw` is the bytes of every request, `headers` what came with it."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.raw: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []

    def trace(self, trace_id: str) -> Sequence[Span]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    async def take(self, request: web.Request) -> web.Response:
        """`POST /v1/traces`."""
        body = await request.read()
        self.raw.append(body)
        self.headers.append(request.headers)
        for told in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _read(told.resource.attributes)["service.name"]
            self.spans += [_span(service, span) for scope in told.scope_spans for span in scope.spans]
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector on loopback for as long as the context lasts."""
    collector = Collector()
    app = web.Application(client_max_size=_LARGEST)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    collector.url = f"http://{host}:{port}"
    try:
        yield collector
    finally:
        await runner.cleanup()


def _span(service: str, told: Told) -> Span:
    return Span(
        service=service,
        name=told.name,
        kind=Told.SpanKind.Name(told.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=told.trace_id.hex(),
        span_id=told.span_id.hex(),
        parent_id=told.parent_span_id.hex(),
        attributes=_read(told.attributes),
        has_failed=told.status.code == 2,
    )


def _read(attributes: Sequence[KeyValue]) -> dict[str, str]:
    return {each.key: str(getattr(each.value, each.value.WhichOneof("value") or "string_value")) for each in attributes}
