"""What the commands read: the services' environment, or the `.env` beside which they are called."""

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource

from shared.fernet_keys import FERNET_KEYS_EXPECTED, FernetKeys
from shared.setting_types import AccessToken
from shared.settings import ServiceSettings
from shared.storage_settings import DatabaseSettings, StorageSettings


class BrokerSettings(ServiceSettings):
    """For commands that look into RabbitMQ."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """As for the services, and last the file `.env`."""
        usual = super().settings_customise_sources(
            settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        )
        return *usual, _DotEnv(settings_cls, env_file=".env", env_ignore_empty=True)


class CredentialSettings(BrokerSettings, DatabaseSettings):
    """For commands that read or write WhatsApp instances. `whatsapp_access_token` is only ever a new token."""

    credentials_encryption_key: FernetKeys = Field(description=FERNET_KEYS_EXPECTED)
    whatsapp_access_token: AccessToken | None = Field(default=None, description="an access token")


class PipelineSettings(BrokerSettings, DatabaseSettings):
    """For commands that change documents and set them going again."""


class StoreSettings(BrokerSettings, StorageSettings):
    """For commands that look into the store."""


class ErasureSettings(StoreSettings):
    """For the command that erases: the key opens the tombstones."""

    credentials_encryption_key: FernetKeys = Field(description=FERNET_KEYS_EXPECTED)


class _DotEnv(DotEnvSettingsSource):
    """`.env`, but for the access token: what stands there is the seed, never the new one that is to replace it."""

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if name != "whatsapp_access_token"}
