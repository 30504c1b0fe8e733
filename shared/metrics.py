"""The metrics that more than one service reports. What one service alone measures is defined in that service."""

from prometheus_client import Counter, Gauge, Histogram

# from a webhook's milliseconds to the longest handler
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)

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
EVENTS_IN_FLIGHT = Gauge("attache_events_in_flight", "Events in hand now.", ("queue",))
DEAD_LETTERS = Gauge("attache_dead_letters", "Messages in the dead-letter queue.", ("queue",))
SIGNATURE_ERRORS = Counter(
    "attache_signature_errors_total", "Webhooks and links refused for their signature, by reason.", ("reason",)
)
