"""`python -m media_server`."""

from media_server.app import build_app
from media_server.settings import Settings
from shared.logs import configure_logging
from shared.settings import load_settings
from shared.tracing import exporting
from shared.web import run


def main() -> None:
    """Serve until told to stop."""
    settings = load_settings(Settings)
    configure_logging(settings, service="media-server")
    with exporting(settings, service="media-server"):
        run(build_app(settings), settings)


if __name__ == "__main__":
    main()
