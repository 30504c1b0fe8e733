"""Secrets of one demo, made up anew each time, and the settings made of them."""

import secrets
from dataclasses import dataclass
from typing import Self

from cryptography.fernet import Fernet

from whatsapp_simulator.simulator import Simulator

# short, so that the attachment that comes right on the third try does so while people look
_RETRY_DELAYS = "1,2,3,5,10"


@dataclass(frozen=True, kw_only=True)
class DemoSecrets:
    """What a deployment would keep in its secret store."""

    app_secret: str
    verify_token: str
    access_token: str
    encryption_key: str
    signing_secret: str
    operator_token: str
    admin_token: str

    @classmethod
    def new(cls) -> Self:
        """All random."""
        return cls(
            app_secret=secrets.token_hex(16),
            verify_token=secrets.token_urlsafe(16),
            access_token=f"EAA{secrets.token_urlsafe(48)}",
            encryption_key=Fernet.generate_key().decode(),
            signing_secret=secrets.token_urlsafe(32),
            operator_token=secrets.token_urlsafe(24),
            admin_token=secrets.token_urlsafe(24),
        )


def environment(
    made_up: DemoSecrets, simulator: Simulator, *, rabbitmq_url: str, mongodb_uri: str, limit_bytes: int
) -> dict[str, str]:
    """The settings of all four services."""
    return {
        "RABBITMQ_URL": rabbitmq_url,
        "MONGODB_URI": mongodb_uri,
        "WHATSAPP_APP_SECRET": made_up.app_secret,
        "WHATSAPP_VERIFY_TOKEN": made_up.verify_token,
        "WHATSAPP_GRAPH_URL": simulator.base_url,
        "WHATSAPP_ACCESS_TOKEN": made_up.access_token,
        "WHATSAPP_PHONE_NUMBER_ID": simulator.number.phone_number_id,
        "CREDENTIALS_ENCRYPTION_KEY": made_up.encryption_key,
        "FILES_SIGNING_SECRET": made_up.signing_secret,
        "OPERATOR_TOKEN": made_up.operator_token,
        "ADMIN_TOKEN": made_up.admin_token,
        "MEDIA_RETRY_DELAYS": _RETRY_DELAYS,
        "MEDIA_MAX_ORIGINAL_BYTES": str(limit_bytes),
    }
