"""One trace from the webhook to the operator's screen, over real processes, in a collector that takes real OTLP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.collector import Collector, Span, collecting
from tests.contract.overheard import letters, overhearing
from tests.contract.webhooks import CAPTION, FILE_NAME, media_message, signed, webhook
from tests.e2e.test_replay import dlq
from tests.e2e.world import JSON, World, running_world
from tests.infrastructure import TestServers
from tests.log_scan import Scanner
from whatsapp_simulator import Fault, FaultName
from whatsapp_simulator.fault_names import Step

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOON = {"OTEL_BSP_SCHEDULE_DELAY": "200"}  # milliseconds, one of OpenTelemetry's own settings
TRACE = "0af7651916cd43dd8448eb211c80319c"
SHOWN = ("show media.updated", "process media.updated", "publish media.updated")


class Traced(NamedTuple):
    """A running Attache that sends its spans to this collector."""

    world: World
    collector: Collector

    async def trace_of(self, wamid: str) -> Sequence[Span]:
        """All spans of this attachment's trace, once the frame that says `ready` and all that led to it are there."""
        line = (await self.world.logged(wamid, revision=0))[0]

        def whole() -> Sequence[Span] | None:
            spans = self.collector.trace(line["traceId"])
            known = {span.span_id for span in spans}
            is_whole = all(span.parent_id in known for span in spans if span.parent_id)
            shown = sum(span.name == SHOWN[0] for span in spans)
            return spans if is_whole and shown == len(self.world.frames.of(wamid)) else None

        await self.world.framed(wamid, "ready")
        return await self.world.until(whole)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def traced(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    data = tmp_path_factory.mktemp("traced")
    async with (
        collecting() as collector,
        running_world(servers, data, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **SOON) as world,
    ):
        yield Traced(world, collector)


def line_of(spans: Sequence[Span], last: Span) -> list[str]:
    """The names from the beginning of the trace down to this span."""
    by_id = {span.span_id: span for span in spans}
    names: list[str] = []
    at: Span | None = last
    while at is not None:
        names.append(f"{at.service}: {at.name}")
        at = by_id.get(at.parent_id)
    return names[::-1]


def below(spans: Sequence[Span], parent: Span) -> list[str]:
    """The names of what was done directly inside a span, in no order."""
    return sorted({span.name for span in spans if span.parent_id == parent.span_id})


async def test_one_trace_leads_from_the_webhook_through_a_retry_to_the_frame(traced: Traced) -> None:
    fault = Fault(name=FaultName.SERVER_ERROR, at=Step.DOWNLOAD, times=1)
    message = await traced.world.send("photo", seed=9701, faults=[fault])

    spans = await traced.trace_of(message.id)

    assert {span.trace_id for span in spans} == {spans[0].trace_id}
    (root,) = [span for span in spans if not span.parent_id]
    assert (root.service, root.name, root.kind) == ("webhook-gateway", "POST /webhooks/whatsapp", "server")
    begun = [
        "webhook-gateway: POST /webhooks/whatsapp",
        "webhook-gateway: publish media.received",
        "ingestor: process ingestor.media-received",
    ]
    again = ["ingestor: publish ingestor.media-received.retry.1s", "ingestor: process ingestor.media-received"]
    previewed = ["ingestor: publish media.stored", "previewer: process previewer.media-stored"]
    shown = ["media-server: process media.updated", "media-server: show media.updated"]
    lines = [line_of(spans, span) for span in spans if span.name == SHOWN[0]]
    assert [*begun, "ingestor: publish media.updated", *shown] in lines, "that it waits"
    assert [*begun, *again, "ingestor: publish media.updated", *shown] in lines, "that it is stored"
    assert [*begun, *again, *previewed, "previewer: publish media.updated", *shown] in lines, "that it is ready"

    first, second = [span for span in spans if span.name == "process ingestor.media-received"]
    if line_of(spans, second) == begun:
        first, second = second, first
    calls = ["GET Graph", "GET original", "findAndModify messages"]
    assert {*calls, "update messages"} <= set(below(spans, first))
    assert {*calls, "store original", "publish media.stored"} <= set(below(spans, second))
    (preview,) = [span for span in spans if span.name == "process previewer.media-stored"]
    assert {"render previews", "store previews", "findAndModify messages"} <= set(below(spans, preview))
    assert (first.has_failed, second.has_failed, preview.has_failed) == (True, False, False)
    assert (first.attributes["attache.outcome"], second.attributes["attache.outcome"]) == ("retry", "ok")
    failed = [span for span in spans if span.name == "GET original" and span.has_failed]
    assert [span.attributes["http.response.status_code"][0] for span in failed] == ["5"]


async def test_spans_say_what_the_conventions_and_our_ids_say(traced: Traced) -> None:
    message = await traced.world.send("photo", seed=9702)
    document = await traced.world.ended(message.id)

    spans = await traced.trace_of(message.id)

    of_events = [span for span in spans if span.name.startswith("process ingestor.")]
    assert [span.attributes["attache.media_id"] for span in of_events] == [document["_id"]]
    assert {span.attributes["attache.correlation_id"] for span in of_events} == {document["correlationId"]}
    assert {span.attributes["messaging.system"] for span in of_events} == {"rabbitmq"}
    (root,) = [span for span in spans if not span.parent_id]
    assert root.attributes["http.request.method"] == "POST"
    assert root.attributes["http.route"] == "/webhooks/whatsapp"
    assert root.attributes["http.response.status_code"] == "200"
    assert root.attributes["attache.correlation_id"] == document["correlationId"]
    (graph,) = [span for span in spans if span.name == "GET Graph"]
    assert (graph.kind, graph.attributes["http.response.status_code"]) == ("client", "200")
    assert "?" not in graph.attributes["url.path"]
    (download,) = [span for span in spans if span.name == "GET original"]
    assert download.attributes["http.response.status_code"] == "200"
    assert not any(key.startswith("url.") for key in download.attributes), "the link opens the file"


async def test_lines_of_logs_have_the_id_of_their_trace(traced: Traced) -> None:
    message = await traced.world.send("zip", seed=9703)
    spans = await traced.trace_of(message.id)

    lines = [
        line
        for service in traced.world.stack.names
        for line in traced.world.stack.log_entries(service)
        if line.get("messageId") == message.id
    ]

    assert {line["service"] for line in lines} == set(traced.world.stack.names)
    assert {line["traceId"] for line in lines} == {spans[0].trace_id}


async def test_a_trace_that_a_webhook_or_a_request_brings_goes_on(traced: Traced) -> None:
    world = traced.world
    traceparent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    message = media_message(world.simulator.add_sample("zip", size_bytes=40_000, seed=9704))
    await posted(world, message, traceparent)
    document = await world.ended(message["id"])
    async with world.api.get(f"/api/messages/{document['_id']}", headers=traceparent) as response:
        assert response.status == 200

    def both() -> Sequence[Span] | None:
        wanted = {"POST /webhooks/whatsapp", "GET /api/messages/{id}", "process previewer.media-stored"}
        spans = traced.collector.trace(TRACE)
        return spans if wanted <= {span.name for span in spans} else None

    spans = await world.until(both)

    servers = [span for span in spans if span.kind == "server"]
    assert {span.parent_id for span in servers} == {"b7ad6b7169203331"}


async def test_probes_and_metrics_have_no_spans(traced: Traced) -> None:
    marker = await traced.world.send("zip", seed=9705)
    await traced.trace_of(marker.id)

    names = {span.name for span in traced.collector.spans}
    assert "POST /webhooks/whatsapp" in names
    assert not any("/readyz" in name or "/metrics" in name for name in names), "the stack asked for /readyz"


async def test_what_spans_say_is_nobody_s_business_but_ours(traced: Traced) -> None:
    world = traced.world
    message = media_message(
        world.simulator.add_sample("pdf", size_bytes=40_000, seed=9706), caption=CAPTION, filename=FILE_NAME
    )
    await posted(world, message, {})
    document = await world.ended(message["id"])
    shown = await world.shown(document["_id"])
    assert (await world.fetched(shown["media"]["original"]["url"]))[0] == 200
    await traced.trace_of(message["id"])

    def linked() -> bool | None:
        return any(span.name == "GET /media/{token}/{fileName}" for span in traced.collector.spans) or None

    await world.until(linked)

    scanner = Scanner().knowing_settings(world.settings).after_body(json.loads(body_with(message, world)))
    assert scanner.leaks({"the collector": "\n".join(map(str, traced.collector.spans))}) == []
    assert not any(message["id"].encode() in body for body in traced.collector.raw), "a wamid holds a phone number"


def body_with(message: JSON, world: World) -> bytes:
    """The webhook that announces this message."""
    return webhook(message, phone_number_id=world.simulator.number.phone_number_id)


async def posted(world: World, message: JSON, headers: dict[str, str]) -> None:
    """As Meta posts it, with these headers as well."""
    body = body_with(message, world)
    url = f"{world.stack.url('webhook-gateway')}/webhooks/whatsapp"
    headers = headers | signed(body, world.settings["WHATSAPP_APP_SECRET"])
    async with aiohttp.ClientSession() as client, client.post(url, data=body, headers=headers) as response:
        assert response.status == 200, await response.text()


@pytest.mark.parametrize("answers", ["nobody", "silence", "500"])
async def test_a_collector_that_does_not_work_does_no_harm(servers: TestServers, tmp_path: Path, answers: str) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if answers == "500":
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
            else:
                await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(broken, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    if answers == "nobody":
        listening.close()
        await listening.wait_closed()
    endpoint = f"http://127.0.0.1:{port}"
    async with running_world(
        servers, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="1", **SOON
    ) as world:
        sent = [await world.send("zip", seed=seed) for seed in range(9710, 9715)]
        ended = [await world.ended(message.id) for message in sent]
        lines = [await told(world, name, "tracing.not_exported") for name in world.stack.names]
        began = time.monotonic()
        await asyncio.gather(*(world.stack.terminate(name) for name in world.stack.names))
        seconds = time.monotonic() - began
        codes = {world.stack.exit_code(name) for name in world.stack.names}
    listening.close()

    assert [document["media"]["status"] for document in ended] == ["ready"] * 5
    assert [len(told) for told in lines] == [1] * 4, "it is told once"
    assert seconds < 10
    assert codes == {0}


async def told(world: World, service: str, event: str) -> list[JSON]:
    """The lines with this name, once there is one."""
    return await world.until(
        lambda: [line for line in world.stack.log_entries(service) if line.get("event") == event] or None
    )


async def test_without_export_a_trace_goes_through_retries_dead_letters_and_replays(world: World) -> None:
    """Somebody else's trace is not ours to cut: each message carries it on as it came."""
    broker_url = world.settings["RABBITMQ_URL"]
    traceparent = f"00-{TRACE}-b7ad6b7169203331-01"
    faults = [
        Fault(name=FaultName.SERVER_ERROR, at=Step.METADATA, times=1),
        Fault(name=FaultName.GRAPH_ERROR, code=131008, times=1),
    ]
    media = world.simulator.add_sample("zip", size_bytes=40_000, seed=9720, faults=faults)
    message = media_message(media)
    async with overhearing(broker_url) as heard:
        await posted(world, message, {"traceparent": traceparent, "tracestate": "vendor=1"})
        failed = await world.ended(message["id"])
        assert failed["media"]["status"] == "failed"

        async with asyncio.timeout(20):
            while True:
                dead = await letters(broker_url, "ingestor.media-received.dlq")
                if own := [letter for letter in dead if letter.body.get("mediaId") == failed["_id"]]:
                    break
        async with asyncio.timeout(30):  # what was only looked at is back in its queue a moment later
            while " replayed " not in (said := await dlq(world, "replay", "--id", failed["_id"])):
                assert "nothing to replay" in said or "changed at this moment" in said
        ready = await world.ended(message["id"])
        assert ready["media"]["status"] == "ready", ready["media"]
        await world.framed(message["id"], "ready")

        events = [h for h in heard if failed["_id"] in {h.body.get("mediaId"), h.body.get("id")}]

    assert {h.routing_key for h in events} == {"media.received", "media.stored", "media.updated"}
    for each in (*events, *own):
        assert (each.headers["traceparent"], each.headers["tracestate"]) == (traceparent, "vendor=1")
    (line,) = [line for line in await world.logged(message["id"], revision=0) if line["revision"] == 0]
    assert line["traceId"] == TRACE
