"""`python -m webhook_gateway`."""

from shared.logs import configure_logging
from shared.settings import load_settings
from shared.tracing import exporting
from shared.web import run
from webhook_gateway.app import build_app
from webhook_gateway.settings import Settings


def main() -> None:
    """Run the gateway until it is told to stop."""
    settings = load_settings(Settings)
    configure_logging(settings, service="webhook-gateway")
    with exporting(settings, service="webhook-gateway"):
        run(build_app(settings), settings)


if __name__ == "__main__":
    main()
