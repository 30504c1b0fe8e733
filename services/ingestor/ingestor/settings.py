"""What the ingestor reads from the environment."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.fernet_keys import FERNET_KEYS_EXPECTED, FernetKeys
from shared.graph.settings import GraphSettings
from shared.setting_types import AccessToken, CommaList, OnRevoke, WholeNumber
from shared.settings import Problem
from shared.storage_settings import WorkerSettings

_SEED = ("WHATSAPP_ACCESS_TOKEN", "WHATSAPP_PHONE_NUMBER_ID")


def _host_suffixes(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        labels = host.split(".")
        if len(labels) < 2 or not all(label.replace("-", "").isalnum() for label in labels):
            msg = f"{host!r} is not a host name such as fbcdn.net"
            raise ValueError(msg)
    return tuple(host.lower() for host in hosts)


class Settings(GraphSettings, WorkerSettings):
    """Environment of the ingestor; names as in the contract."""

    port: WholeNumber = Field(default=8082, ge=1, le=65535, description="a port number from 1 to 65535")
    whatsapp_media_hosts: Annotated[CommaList, AfterValidator(_host_suffixes)] = Field(
        default=("fbsbx.com", "fbcdn.net"), description="a comma list of host names such as fbsbx.com,fbcdn.net"
    )
    whatsapp_access_token: AccessToken | None = Field(
        default=None, description="an access token, together with WHATSAPP_PHONE_NUMBER_ID"
    )
    whatsapp_phone_number_id: str | None = Field(
        default=None, pattern=r"^\d{1,32}$", description="the number's id (digits), together with WHATSAPP_ACCESS_TOKEN"
    )
    credentials_encryption_key: FernetKeys = Field(description=FERNET_KEYS_EXPECTED)
    media_max_original_bytes: WholeNumber = Field(
        default=104857600, gt=0, le=2**40, description="a whole number of bytes from 1 to 1099511627776 (1 TiB)"
    )
    media_lifetime_hours: WholeNumber = Field(
        default=168, gt=0, le=8760, description="a whole number of hours from 1 to 8760 (a year)"
    )
    reconcile_seconds: WholeNumber = Field(
        default=30, gt=0, le=86400, description="a whole number of seconds from 1 to 86400 (a day)"
    )
    storage_min_free_bytes: WholeNumber = Field(
        default=536870912, ge=0, le=2**60, description="a whole number of bytes from 0 to 1152921504606846976 (1 EiB)"
    )
    whatsapp_on_revoke: OnRevoke = Field(default="keep", description="keep or erase")
    prefetch: WholeNumber = Field(default=16, ge=1, le=1000, description="a whole number from 1 to 1000")

    @classmethod
    def contradictions(cls, given: Mapping[str, str]) -> Iterator[Problem]:
        """Half a seed is a mistake."""
        yield from super().contradictions(given)
        missing = [name for name in _SEED if name not in given]
        if len(missing) == 1:
            yield missing[0], f"is missing; {' and '.join(_SEED)} are given together or not at all"
