"""Where the commands log to."""

import logging
import sys

from shared.logs import configure_logging
from shared.settings import ServiceSettings

SERVICE = "attache"


def log_to_stderr(settings: ServiceSettings) -> None:
    """JSON lines on stderr; on a terminal only errors are, as lines would tear the progress bar."""
    configure_logging(settings, service=SERVICE, stream=sys.stderr)
    if sys.stderr.isatty():
        logging.getLogger().setLevel(logging.ERROR)
