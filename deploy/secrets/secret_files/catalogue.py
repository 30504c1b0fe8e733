"""Which secrets there are, how each is made, and which container gets which. A file has the setting's name."""

import base64
import os
import re
import secrets
from collections.abc import Callable
from typing import NamedTuple

FROM_META = "whatsapp_app_secret"
FOR_META = "whatsapp_verify_token"


def _word() -> str:
    return secrets.token_urlsafe(32)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


MADE: dict[str, Callable[[], str]] = {
    FROM_META: _word,
    FOR_META: _word,
    "credentials_encryption_key": _fernet_key,
    "files_signing_secret": _word,
    "operator_token": _word,
    "admin_token": _word,
    "rabbitmq_password": _word,
    "mongodb_password": _word,
    "mongodb_root_password": _word,
    "grafana_admin_password": _word,
}
"""What `make secrets` makes up when it is not there."""

TRACING = "otel_exporter_otlp_headers"

OPTIONAL = ("files_signing_secret_previous", TRACING)
"""What a person may add."""

DERIVED: dict[str, tuple[str, str]] = {
    "rabbitmq_url": ("rabbitmq_password", "amqp://attache:{}@rabbitmq:5672/"),
    "mongodb_uri": ("mongodb_password", "mongodb://attache:{}@mongodb:27017/?authSource=admin"),
    "default_user.conf": (
        "rabbitmq_password",
        "default_user = attache\ndefault_pass = {}\ndefault_user_tags.monitoring = true\n",
    ),
}
"""What is made of another secret, each time that it is handed out, so that the two cannot disagree."""

FITS_ANYWHERE = re.compile(r"[A-Za-z0-9._~-]+")
"""What such a secret may consist of: in an address and in a configuration file it stands for itself."""


class Receiver(NamedTuple):
    """A container's own folder: what is in it, and for whom. Without `user_id` every user in there may read."""

    names: tuple[str, ...]
    user_id: "int | None" = None


_ATTACHE = 10001
"""The user of our images; the others' images have users of their own, which are not the same in every version."""

RECEIVERS: dict[str, Receiver] = {
    "webhook-gateway": Receiver(("rabbitmq_url", FROM_META, FOR_META, TRACING), _ATTACHE),
    "ingestor": Receiver(("rabbitmq_url", "mongodb_uri", "credentials_encryption_key", TRACING), _ATTACHE),
    "previewer": Receiver(("rabbitmq_url", "mongodb_uri", TRACING), _ATTACHE),
    "media-server": Receiver(
        (
            "rabbitmq_url",
            "mongodb_uri",
            "credentials_encryption_key",
            "files_signing_secret",
            "files_signing_secret_previous",
            "operator_token",
            "admin_token",
            TRACING,
        ),
        _ATTACHE,
    ),
    "attache": Receiver(("rabbitmq_url", "mongodb_uri", "credentials_encryption_key", "operator_token"), _ATTACHE),
    "simulator": Receiver((FROM_META, FOR_META), _ATTACHE),
    "rabbitmq": Receiver(("default_user.conf",)),
    "mongodb": Receiver(("mongodb_root_password", "mongodb_password")),
    "grafana": Receiver(("grafana_admin_password",)),
}
"""By the service's name in docker-compose.yml."""
