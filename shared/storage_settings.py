"""Settings of services that know the documents and the files; the webhook-gateway knows neither."""

from pydantic import Field, SecretStr

from shared.mongodb_uri import MongodbUri
from shared.setting_types import Delays, Folder
from shared.settings import ServiceSettings


class DatabaseSettings(ServiceSettings):
    """For services that read or write the documents."""

    mongodb_uri: MongodbUri = Field(
        default=SecretStr("mongodb://127.0.0.1:27017"),
        description="a MongoDB URI such as mongodb://user:password@host:27017",
    )
    mongodb_database: str = Field(
        default="attache", pattern=r"^[A-Za-z0-9_-]{1,63}$", description="a name of letters, digits, '_' and '-'"
    )


class StorageSettings(DatabaseSettings):
    """For services that read or write the files."""

    storage_url: Folder = Field(default="uploads", description="a folder")


class WorkerSettings(StorageSettings):
    """For the services that take events from a work queue."""

    media_retry_delays: Delays = Field(
        default=(5, 30, 120, 600, 3600, 21600),
        min_length=1,
        description="seconds, a comma list of whole numbers above 0, such as 5,30,120",
    )
