"""What only the ingestor measures."""

from prometheus_client import Counter, Gauge, Histogram

INGEST_ATTEMPTS = Counter(
    "attache_ingest_attempts_total",
    "Attempts to bring an original home: outcome stored, linked, skipped, retry, failed or erased.",
    ("outcome", "code", "provider_status", "phone_number_id"),
)
INGEST_RESULTS = Counter(
    "attache_ingest_results_total",
    "Ends of ingestion: outcome stored, linked, skipped or failed, by attempt: the first or a later one.",
    ("outcome", "attempt"),
)
INGEST_SECONDS = Histogram(
    "attache_ingest_seconds",
    "Time from opening the download to the original in the store.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600),
)
INGEST_BYTES = Counter("attache_ingest_bytes_total", "Bytes of originals downloaded and stored.")
STORAGE_BYTES_FLOOR = Gauge(
    "attache_storage_bytes_floor", "Free space below which nothing is downloaded (STORAGE_MIN_FREE_BYTES); 0: no floor."
)
INSTANCE_HEALTHY = Gauge(
    "attache_instance_healthy",
    "1 when Meta takes the credentials of this number, 0 when it refuses them; other: numbers without an instance.",
    ("phone_number_id",),
)
