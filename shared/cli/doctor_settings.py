"""What `attache doctor` reads: what the services read of all that is shared, and where they are."""

from pydantic import Field, SecretStr

from shared.cli.settings import BrokerSettings
from shared.fernet_keys import FERNET_KEYS_EXPECTED, FernetKeys
from shared.graph.settings import GraphSettings
from shared.setting_types import HttpAddress, WholeNumber
from shared.storage_settings import WorkerSettings

_ADDRESS = "an address such as http://127.0.0.1:8080"


class DoctorSettings(BrokerSettings, WorkerSettings, GraphSettings):
    """Everything has a default: what is not given here is not checked, and the doctor says so."""

    webhook_gateway_url: HttpAddress = Field(default="http://127.0.0.1:8080", description=_ADDRESS)
    media_server_url: HttpAddress = Field(default="http://127.0.0.1:8081", description=_ADDRESS)
    ingestor_url: HttpAddress = Field(default="http://127.0.0.1:8082", description=_ADDRESS)
    previewer_url: HttpAddress = Field(default="http://127.0.0.1:8083", description=_ADDRESS)
    public_url: HttpAddress | None = Field(default=None, description=f"{_ADDRESS} (default: MEDIA_SERVER_URL)")
    rabbitmq_management_url: HttpAddress | None = Field(
        default=None, description="an address such as http://rabbitmq:15672"
    )
    credentials_encryption_key: FernetKeys = Field(default=(), description=FERNET_KEYS_EXPECTED)
    operator_token: SecretStr | None = Field(default=None, description="the media-server's OPERATOR_TOKEN")
    storage_min_free_bytes: WholeNumber = Field(default=536870912, ge=0, description="a whole number of bytes")

    @property
    def services(self) -> dict[str, str]:
        """Where each service answers."""
        return {
            "webhook-gateway": self.webhook_gateway_url,
            "ingestor": self.ingestor_url,
            "previewer": self.previewer_url,
            "media-server": self.media_server_url,
        }
