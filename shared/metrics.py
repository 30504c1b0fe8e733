"""The metrics that more than one service reports. What one service alone measures is defined in that service."""

from prometheus_client import Counter, Gauge, Histogram

# from a webhook's milliseconds to the longest handler
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
# from what AMQP's whole seconds can tell to the longest outage that Meta bridges
_LAG_SECONDS = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)

MEDIA_UPDATES = Counter(
    "attache_media_updates_total",
    "Changes of state of attachments, one for each log line message_media_updated.",
    ("service", "status", "kind", "code"),
)
EVENTS = Counter(
    "attache_events_total",
    "Events taken from a work queue, by what became of them: ok, retry, dead_letter or invalid.",
    ("queue", "outcome"),
)
EVENT_SECONDS = Histogram(
    "attache_event_seconds", "Time from taking an event to its ack.", ("queue",), buckets=_SECONDS
)
EVENT_LAG_SECONDS = Histogram(
    "attache_event_lag_seconds",
    "Time from an event's publication (whole seconds) until it is taken; retries, replays and repeats are not counted.",
    ("queue",),
    buckets=_LAG_SECONDS,
)
EVENTS_IN_FLIGHT = Gauge("attache_events_in_flight", "Events in hand now.", ("queue",))
EVENTS_CAPACITY = Gauge("attache_events_capacity", "Events that this process holds at most at once.", ("queue",))
DEAD_LETTERS = Gauge("attache_dead_letters", "Messages in the dead-letter queue.", ("queue",))
DEAD_LETTER_OLDEST_SECONDS = Gauge(
    "attache_dead_letter_oldest_seconds", "Age of the oldest dead letter that counts; 0 without any.", ("queue",)
)
SIGNATURE_ERRORS = Counter(
    "attache_signature_errors_total", "Webhooks and links refused for their signature, by reason.", ("reason",)
)
READY = Gauge("attache_ready", "1 when the check of this name passes, as in /readyz; else 0.", ("check",))
TIME_SECONDS = Gauge("attache_time_seconds", "The clock of this service when the scrape began, in Unix time.")
