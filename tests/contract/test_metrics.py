"""Section 4 of the contract, metrics: names, types and labels of every service, scraped over HTTP."""

import json
import time

import pytest
from prometheus_client.metrics_core import Metric

from tests.contract.overheard import Heard, until
from tests.contract.recorded_run import UNCONFIGURED_NUMBER, Run, scraped, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = ("webhook-gateway", "ingestor", "previewer", "media-server")
WORKERS = ("webhook-gateway", "ingestor", "previewer")
METRICS: tuple[tuple[str, str, set[str], tuple[str, ...]], ...] = (
    ("attache_webhooks_total", "counter", {"outcome"}, ("webhook-gateway",)),
    ("attache_webhook_seconds", "histogram", set(), ("webhook-gateway",)),
    ("attache_media_updates_total", "counter", {"service", "status", "kind", "code"}, SERVICES),
    (
        "attache_ingest_attempts_total",
        "counter",
        {"outcome", "code", "provider_status", "phone_number_id"},
        ("ingestor",),
    ),
    ("attache_instance_healthy", "gauge", {"phone_number_id"}, ("ingestor",)),
    ("attache_ingest_seconds", "histogram", set(), ("ingestor",)),
    ("attache_ingest_bytes_total", "counter", set(), ("ingestor",)),
    ("attache_media_age_seconds", "histogram", set(), ("previewer",)),
    ("attache_events_total", "counter", {"queue", "outcome"}, WORKERS),
    ("attache_event_seconds", "histogram", {"queue"}, WORKERS),
    ("attache_event_lag_seconds", "histogram", {"queue"}, ("ingestor", "previewer")),
    ("attache_events_in_flight", "gauge", {"queue"}, WORKERS),
    ("attache_events_capacity", "gauge", {"queue"}, WORKERS),
    ("attache_dead_letters", "gauge", {"queue"}, WORKERS),
    ("attache_dead_letter_oldest_seconds", "gauge", {"queue"}, WORKERS),
    ("attache_preview_seconds", "histogram", {"kind", "outcome"}, ("previewer",)),
    ("attache_media_requests_total", "counter", {"what", "status"}, ("media-server",)),
    ("attache_media_request_seconds", "histogram", set(), ("media-server",)),
    ("attache_signature_errors_total", "counter", {"reason"}, ("webhook-gateway", "media-server")),
    ("attache_websocket_clients", "gauge", set(), ("media-server",)),
    ("attache_storage_bytes_free", "gauge", set(), ("ingestor", "previewer", "media-server")),
    ("attache_documents", "gauge", {"status"}, ("media-server",)),
    ("attache_media_at_risk", "gauge", {"hours"}, ("media-server",)),
    ("attache_media_overdue", "gauge", {"status"}, ("media-server",)),
    ("attache_ingest_results_total", "counter", {"outcome", "attempt"}, ("ingestor",)),
    ("attache_webhook_bytes_in_flight", "gauge", set(), ("webhook-gateway",)),
    ("attache_webhook_bytes_capacity", "gauge", set(), ("webhook-gateway",)),
    ("attache_time_seconds", "gauge", set(), SERVICES),
    ("attache_ready", "gauge", {"check"}, SERVICES),
    ("attache_storage_bytes_floor", "gauge", set(), ("ingestor",)),
)
QUEUES = {
    "webhook-gateway": {"webhook-gateway.unreadable"},
    "ingestor": {"ingestor.media-received", "ingestor.identity-changed", "ingestor.message-revoked"},
    "previewer": {"previewer.media-stored"},
}


async def family(run: Run, service: str, name: str) -> Metric:
    """One metric of a service; a counter's family has its name without `_total`."""
    return (await scraped(run.world, service))[name.removesuffix("_total")]


def values(metric: Metric, **labels: str) -> list[float]:
    """Of the samples with these labels."""
    return [s.value for s in metric.samples if labels.items() <= s.labels.items() and not s.name.endswith("_created")]


async def taken_from(run: Run, service: str, queue: str, outcome: str) -> list[float]:
    """How many events of this queue ended so, once there is one."""

    async def counted() -> list[float] | None:
        found = values(await family(run, service, "attache_events_total"), queue=queue, outcome=outcome)
        return found if any(found) else None

    return await until(counted)


@pytest.fixture(autouse=True)
async def _everything_happened_once(run: Run) -> None:
    """A label has no values before something happened; here it has."""


@pytest.mark.parametrize(
    ("name", "kind", "labels", "service"),
    [(name, kind, labels, service) for name, kind, labels, services in METRICS for service in services],
)
async def test_the_metric_has_its_name_type_and_labels(
    run: Run, name: str, kind: str, labels: set[str], service: str
) -> None:
    if name == "attache_events_total" and service == "webhook-gateway":
        from tests.contract.overheard import publish

        await publish(run.world.settings["RABBITMQ_URL"], "webhook-gateway.unreadable", b'{"entry": []}')
        await until(lambda: _some_sample(run, service, name))
    metric = await family(run, service, name)

    assert metric.type == kind
    assert metric.documentation
    used = {label for sample in metric.samples for label in sample.labels} - {"le"}
    assert used == labels
    assert f"# TYPE {name} {kind}" in await text_of(run.world, service, "/metrics")


async def _some_sample(run: Run, service: str, name: str) -> bool:
    return bool((await family(run, service, name)).samples)


@pytest.mark.parametrize("service", SERVICES)
async def test_metrics_have_the_prefix_attache(run: Run, service: str) -> None:
    of_the_runtime = ("process", "python")

    names = await scraped(run.world, service)

    assert [name for name in names if not name.startswith(("attache_", *of_the_runtime))] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_metrics_have_base_units(run: Run, service: str) -> None:
    names = [name for name in await scraped(run.world, service) if name.startswith("attache_")]

    assert [name for name in names if name.endswith(("_ms", "_milliseconds", "_minutes", "_kb", "_mb"))] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_no_ids_are_labels_but_phone_number_id_on_two_metrics(run: Run, service: str) -> None:
    with_ids = {
        family.name
        for family in (await scraped(run.world, service)).values()
        for sample in family.samples
        for label in sample.labels
        if label.endswith(("_id", "Id")) or label == "id"
    }

    # the client library adds `…_created`, the time of the first tick
    assert with_ids <= {"attache_ingest_attempts", "attache_ingest_attempts_created", "attache_instance_healthy"}


async def test_an_instance_is_healthy_while_meta_takes_its_credentials(run: Run) -> None:
    metric = await family(run, "ingestor", "attache_instance_healthy")

    assert values(metric, phone_number_id=run.phone_number_id) == [1]
    assert len(values(metric, phone_number_id="other")) == 1


async def test_phone_number_id_is_a_configured_number_else_other(run: Run) -> None:
    metric = await family(run, "ingestor", "attache_ingest_attempts_total")

    numbers = {sample.labels["phone_number_id"] for sample in metric.samples}
    assert numbers == {run.phone_number_id, "other"}
    assert UNCONFIGURED_NUMBER not in str(metric.samples)


async def test_every_service_emits_message_media_updated_and_counts_it(run: Run) -> None:
    for service in SERVICES:
        lines = [line for line in run.log(service) if line["event"] == "message_media_updated"]
        metric = await family(run, service, "attache_media_updates_total")
        assert {sample.labels["service"] for sample in metric.samples} == {service}
        assert sum(values(metric)) >= len(lines) > 0


async def test_status_kind_and_code_are_those_of_the_contract(run: Run) -> None:
    labels = [
        sample.labels
        for service in SERVICES
        for sample in (await family(run, service, "attache_media_updates_total")).samples
    ]

    assert {each["status"] for each in labels} <= {"pending", "stored", "ready", "skipped", "failed"}
    assert {each["kind"] for each in labels} <= {"image", "video", "audio", "voice", "document", "sticker"}
    assert {"", "provider_auth", "media_too_large", "preview_unreadable", "provider_rejected"} <= {
        each["code"] for each in labels
    }


async def test_ingest_attempts_tell_the_code_and_the_provider_status(run: Run) -> None:
    metric = await family(run, "ingestor", "attache_ingest_attempts_total")

    assert values(metric, code="provider_auth", provider_status="401", phone_number_id=run.phone_number_id)
    assert values(metric, code="", provider_status="")


@pytest.mark.parametrize(
    ("service", "queue", "outcome"),
    [
        ("ingestor", "ingestor.media-received", "ok"),
        ("ingestor", "ingestor.media-received", "retry"),
        ("ingestor", "ingestor.media-received", "dead_letter"),
        ("ingestor", "ingestor.media-received", "invalid"),
        ("previewer", "previewer.media-stored", "ok"),
        ("previewer", "previewer.media-stored", "dead_letter"),
    ],
)
async def test_events_are_counted_by_queue_and_outcome(run: Run, service: str, queue: str, outcome: str) -> None:
    assert await taken_from(run, service, queue, outcome)


@pytest.mark.parametrize("service", WORKERS)
async def test_outcomes_are_ok_retry_dead_letter_and_invalid(run: Run, service: str) -> None:
    metric = await family(run, service, "attache_events_total")

    assert {s.labels["outcome"] for s in metric.samples} <= {"ok", "retry", "dead_letter", "invalid"}
    assert {s.labels["queue"] for s in metric.samples} <= QUEUES[service]


@pytest.mark.parametrize("service", WORKERS)
async def test_dead_letters_are_counted_for_each_queue_by_the_service_that_works_it_off(run: Run, service: str) -> None:
    metric = await family(run, service, "attache_dead_letters")

    assert {sample.labels["queue"] for sample in metric.samples} == QUEUES[service]
    for queue in {f"{queue}.dlq" for queue in QUEUES[service]} & set(run.dead):
        waiting = [letter for letter in run.dead[queue] if not _is_settled(run, letter)]
        assert values(metric, queue=queue.removesuffix(".dlq"))[0] >= len(waiting) > 0


def _is_settled(run: Run, letter: Heard) -> bool:
    """Its attachment went on after it: a replay would only remove it."""
    document = run.world.document(letter.body.get("messageId", ""))
    return document is not None and document["media"]["status"] != "failed"


async def test_documents_are_counted_by_status(run: Run) -> None:
    metric = await family(run, "media-server", "attache_documents")

    assert {s.labels["status"] for s in metric.samples} == {"pending", "stored", "ready", "skipped", "failed"}
    counted = run.world.messages.count_documents({"media.status": "skipped"})
    assert values(metric, status="skipped") == [counted]


async def test_media_at_risk_is_counted_for_24_and_72_hours(run: Run) -> None:
    metric = await family(run, "media-server", "attache_media_at_risk")

    assert {sample.labels["hours"] for sample in metric.samples} == {"24", "72"}


async def test_what_is_overdue_is_counted_in_the_states_that_are_not_final(run: Run) -> None:
    metric = await family(run, "media-server", "attache_media_overdue")

    assert {sample.labels["status"] for sample in metric.samples} == {"pending", "stored"}


async def test_ends_of_ingestion_tell_the_first_attempt_from_later_ones(run: Run) -> None:
    metric = await family(run, "ingestor", "attache_ingest_results_total")

    assert {"stored", "skipped", "failed"} <= {sample.labels["outcome"] for sample in metric.samples}
    assert {sample.labels["attempt"] for sample in metric.samples} == {"first", "later"}


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_tells_its_clock(run: Run, service: str) -> None:
    before = time.time()

    (told,) = values(await family(run, service, "attache_time_seconds"))

    assert before <= told <= time.time()


@pytest.mark.parametrize("service", SERVICES)
async def test_readiness_is_told_as_the_probe_tells_it(run: Run, service: str) -> None:
    checks = json.loads(await text_of(run.world, service, "/readyz"))["checks"]

    metric = await family(run, service, "attache_ready")

    assert {sample.labels["check"]: bool(sample.value) for sample in metric.samples} == {
        name: check["ok"] for name, check in checks.items()
    }


async def test_the_oldest_dead_letter_tells_its_age(run: Run) -> None:
    for service, queue in (("ingestor", "ingestor.media-received"), ("webhook-gateway", "webhook-gateway.unreadable")):

        async def known(service: str = service, queue: str = queue) -> list[float] | None:
            found = values(await family(run, service, "attache_dead_letter_oldest_seconds"), queue=queue)
            return found if any(found) else None

        (age,) = await until(known)
        assert 0 < age < 600


async def test_websocket_clients_are_counted(run: Run) -> None:
    """The world itself watches."""
    assert values(await family(run, "media-server", "attache_websocket_clients"))[0] >= 1


async def test_storage_bytes_free_is_the_free_space(run: Run) -> None:
    for service in ("ingestor", "previewer", "media-server"):
        assert values(await family(run, service, "attache_storage_bytes_free"))[0] > 0


async def test_media_age_is_the_time_from_the_webhooks_timestamp_to_ready(run: Run) -> None:
    metric = await family(run, "previewer", "attache_media_age_seconds")
    ready = sum(line["status"] == "ready" for line in run.log("previewer") if line["event"] == "message_media_updated")

    (count,) = [sample.value for sample in metric.samples if sample.name.endswith("_count")]
    assert count >= ready - 1
    assert count > 0


async def test_signature_errors_are_counted_by_reason(run: Run) -> None:
    metric = await family(run, "webhook-gateway", "attache_signature_errors_total")

    assert {sample.labels["reason"] for sample in metric.samples} == {"missing", "malformed", "mismatch"}
