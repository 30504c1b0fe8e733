"""What only the previewer measures."""

from prometheus_client import Histogram

PREVIEW_SECONDS = Histogram(
    "attache_preview_seconds",
    "Time to make the renditions that a file lacks; outcome is ok or the failure's code.",
    ("kind", "outcome"),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
MEDIA_AGE_SECONDS = Histogram(
    "attache_media_age_seconds",
    "Age of an attachment, by the webhook's timestamp, when it became ready.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400, 604800),
)
