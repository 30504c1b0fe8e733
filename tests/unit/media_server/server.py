"""Settings and a clock for a media-server under test."""

from collections.abc import Callable
from datetime import datetime, timedelta

from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from cryptography.fernet import Fernet
from pydantic import SecretStr

from media_server.settings import Settings
from tests.builders import NOW

NOBODY = "127.0.0.1:1"  # nothing listens there
OPERATOR, ADMIN = "operator-token-of-the-tests", "admin-token-of-the-tests"
SIGNING_SECRET = "s" * 32

Client = TestClient[Request, Application]
LinkTo = Callable[..., str]


class Hands:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, *, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def make_settings(
    *,
    storage_url: str,
    rabbitmq_url: str = f"amqp://guest:guest@{NOBODY}/",
    mongodb_uri: str = f"mongodb://{NOBODY}",
    mongodb_database: str = "attache",
) -> Settings:
    return Settings(
        rabbitmq_url=SecretStr(rabbitmq_url),
        mongodb_uri=SecretStr(mongodb_uri),
        mongodb_database=mongodb_database,
        storage_url=storage_url,
        credentials_encryption_key=(SecretStr(Fernet.generate_key().decode()),),
        files_signing_secret=SecretStr(SIGNING_SECRET),
        operator_token=SecretStr(OPERATOR),
        admin_token=SecretStr(ADMIN),
    )


def authorization(token: str = OPERATOR) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
