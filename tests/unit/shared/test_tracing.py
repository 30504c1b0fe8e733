"""Trace context without an exporter: nothing is made up, nothing is lost, and no SDK is loaded."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind
from pydantic import SecretStr

from shared.settings import ServiceSettings
from shared.tracing import annotate, carried, inject, span, trace_id
from tests.collector import collecting

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_without_a_trace_nothing_is_added() -> None:
    headers: dict[str, object] = {}

    with span("anything", attributes={"a": 1}):
        inject(headers)

    assert headers == {}
    assert trace_id() is None


def test_a_trace_that_came_in_goes_on_unchanged() -> None:
    headers: dict[str, object] = {"x-attempt": 1}

    carrier = {"traceparent": PARENT, "tracestate": "vendor=1"}
    with span("outer", kind=SpanKind.SERVER, carrier=carrier), span("inner"):
        inject(headers)
        shown = trace_id()

    assert headers == {"x-attempt": 1, "traceparent": PARENT, "tracestate": "vendor=1"}
    assert shown == TRACE
    assert trace_id() is None


def test_a_carrier_without_a_trace_begins_anew() -> None:
    with span("outer", carrier={"traceparent": PARENT}), span("another", carrier={}):
        assert trace_id() is None


@pytest.mark.parametrize(
    "value", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-{'0' * 16}-01", 7, b"bytes", None, []]
)
def test_a_broken_trace_context_counts_as_none(value: object) -> None:
    with span("outer", carrier={"traceparent": value, "tracestate": "\x00,,="}):
        assert trace_id() is None


def test_what_is_only_passed_on_stays_as_it_came() -> None:
    headers = {"traceparent": PARENT, "tracestate": b"not text", "x-attempt": 3}

    assert carried(headers) == {"traceparent": PARENT}


def test_an_error_goes_through_a_span() -> None:
    def fails() -> None:
        with span("outer", carrier={"traceparent": PARENT}):
            annotate({"attache.media_id": "m1"})
            msg = "as it was"
            raise ValueError(msg)

    with pytest.raises(ValueError, match="as it was"):
        fails()
    assert trace_id() is None


def test_without_an_endpoint_the_sdk_is_not_loaded() -> None:
    code = (
        "import sys; from shared.settings import ServiceSettings; from shared.tracing import exporting, span\n"
        "with exporting(ServiceSettings(), service='ingestor'), span('anything'): pass\n"
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules))"
    )

    ended = subprocess.run([sys.executable, "-c", code], env={}, check=False, timeout=60)  # noqa: S603 - our own text

    assert ended.returncode == 0


def test_an_installation_without_the_sdk_goes_on_without_traces() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.sdk'] = None\n"
        "from shared.logs import configure_logging; from shared.settings import ServiceSettings\n"
        "from shared.tracing import exporting, span\n"
        "settings = ServiceSettings(); configure_logging(settings, service='ingestor')\n"
        "with exporting(settings, service='ingestor'), span('anything'): pass"
    )
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "LOG_FORMAT": "json"}

    ended = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", code], env=environment, check=False, timeout=60, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr
    assert '"event": "tracing.not_started"' in ended.stdout
    assert "attache[tracing]" in ended.stdout


def test_the_endpoint_s_password_is_a_secret() -> None:
    settings = ServiceSettings(otel_exporter_otlp_endpoint=SecretStr("https://me:pa55word@collector.example"))

    assert "pa55word" not in repr(settings)


async def test_what_a_collector_asks_for_is_sent_along_and_never_told(tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("api-key=k3y-of-it,x-tenant=one%20two\n")
    code = (
        "from shared.logs import configure_logging; from shared.settings import ServiceSettings\n"
        "from shared.tracing import exporting, span\n"
        "settings = ServiceSettings(); configure_logging(settings, service='ingestor')\n"
        "with exporting(settings, service='ingestor'), span('anything'): pass"
    )

    async with collecting() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS_FILE": str(tmp_path / "headers"),
            "LOG_FORMAT": "json",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        told, _ = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 0, told
    assert [(sent["api-key"], sent["x-tenant"]) for sent in collector.headers] == [("k3y-of-it", "one two")]
    assert b"tracing.started" in told
    assert b"k3y-of-it" not in told
