"""The mark that all log lines and events of one webhook, or of one request, share."""

import structlog

from shared.ids import new_correlation_id


def correlation_id() -> str:
    """Of what is under way here; a new one when nothing is."""
    return structlog.contextvars.get_contextvars().get("correlationId") or new_correlation_id()
