"""`python -m previewer`."""

from previewer.app import SERVICE, build_app
from previewer.settings import Settings
from shared.logs import configure_logging
from shared.settings import load_settings
from shared.tracing import exporting
from shared.web import run


def main() -> None:
    """Run until told to stop; exit with code 2 when a setting is wrong."""
    settings = load_settings(Settings)
    configure_logging(settings, service=SERVICE)
    with exporting(settings, service=SERVICE):
        run(build_app(settings), settings)


if __name__ == "__main__":
    main()
