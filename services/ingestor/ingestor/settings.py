"""What the ingestor reads from the environment."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from shared.fernet_keys import FERNET_KEYS_EXPECTED, FernetKeys
from shared.setting_types import AccessToken, CommaList, Flag, WholeNumber
from shared.settings import Problem, WorkerSettings

_SEED = ("WHATSAPP_ACCESS_TOKEN", "WHATSAPP_PHONE_NUMBER_ID")


def _graph_url(value: str) -> str:
    parts = urlsplit(value)
    _ = parts.port  # raises when it is none
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        msg = "not an http(s) URL of a host without user, query and fragment"
        raise ValueError(msg)
    return value.rstrip("/")


def _host_suffixes(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        labels = host.split(".")
        if len(labels) < 2 or not all(label.replace("-", "").isalnum() for label in labels):
            msg = f"{host!r} is not a host name such as fbcdn.net"
            raise ValueError(msg)
    return tuple(host.lower() for host in hosts)


class Settings(WorkerSettings):
    """Environment of the ingestor; names as in the contract."""

    port: WholeNumber = Field(default=8082, ge=1, le=65535, description="a port number from 1 to 65535")
    whatsapp_graph_url: Annotated[str, AfterValidator(_graph_url)] = Field(
        default="https://graph.facebook.com", description="an https URL such as https://graph.facebook.com"
    )
    whatsapp_graph_version: str = Field(
        default="v25.0", pattern=r"^v\d{1,3}\.\d{1,2}$", description="a Graph version such as v25.0"
    )
    whatsapp_media_hosts: Annotated[CommaList, AfterValidator(_host_suffixes)] = Field(
        default=("fbsbx.com", "fbcdn.net"), description="a comma list of host names such as fbsbx.com,fbcdn.net"
    )
    whatsapp_allow_http_graph: Flag = Field(default=False, description="true or false")
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
    prefetch: WholeNumber = Field(default=16, ge=1, le=1000, description="a whole number from 1 to 1000")

    @classmethod
    def contradictions(cls, given: Mapping[str, str]) -> Iterator[Problem]:
        """Half a seed is a mistake; a token must not travel over plain http to another machine."""
        missing = [name for name in _SEED if name not in given]
        if len(missing) == 1:
            yield missing[0], f"is missing; {' and '.join(_SEED)} are given together or not at all"
        allowed = given.get("WHATSAPP_ALLOW_HTTP_GRAPH") == "true"
        if not allowed and _shows_token(given.get("WHATSAPP_GRAPH_URL", "")):
            yield (
                "WHATSAPP_GRAPH_URL",
                "plain http would show the access token to the network; expected https, a loopback address, "
                "or WHATSAPP_ALLOW_HTTP_GRAPH=true",
            )


def _shows_token(url: str) -> bool:
    try:
        graph = urlsplit(url)
    except ValueError:
        return False  # told already, as no URL at all
    return graph.scheme == "http" and not _is_loopback(graph.hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
