"""What only the media-server measures."""

from prometheus_client import Counter, Gauge, Histogram

MEDIA_REQUESTS = Counter(
    "attache_media_requests_total",
    "Requests for signed links, by what was asked for (original, or a rendition's name) and the answer's status.",
    ("what", "status"),
)
MEDIA_REQUEST_SECONDS = Histogram(
    "attache_media_request_seconds",
    "Time until a signed link is answered; how long the client takes for the bytes is not in it.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
WEBSOCKET_CLIENTS = Gauge("attache_websocket_clients", "Clients of the live view that are connected now.")
DOCUMENTS = Gauge("attache_documents", "Attachments in each state, read from the documents.", ("status",))
MEDIA_OVERDUE = Gauge(
    "attache_media_overdue",
    "Attachments in a state that is not final whose webhook came more than 5 minutes ago.",
    ("status",),
)
MEDIA_AT_RISK = Gauge(
    "attache_media_at_risk",
    "Attachments that are not stored yet, could still be, and have less time left than this until Meta deletes them.",
    ("hours",),
)
