"""What the media-server reads from the environment."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from shared.fernet_keys import FERNET_KEYS_EXPECTED, FernetKeys
from shared.graph.settings import GraphSettings
from shared.setting_types import WholeNumber
from shared.settings import Problem
from shared.storage_settings import StorageSettings

_SECRET_BYTES = 32
_TOKEN_CHARACTERS = 16
_WEEK_SECONDS = 7 * 24 * 3600


def _signing_secret(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value()
    if len(secret.encode()) < _SECRET_BYTES:
        msg = f"shorter than {_SECRET_BYTES} bytes"
        raise ValueError(msg)
    if "-----BEGIN" in secret or secret.startswith("ssh-"):
        # PyJWT refuses to sign with it: somebody who knows the public half could sign too
        msg = "a public or private key, which is no shared secret"
        raise ValueError(msg)
    return value


def _bearer_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if len(token) < _TOKEN_CHARACTERS:
        msg = f"shorter than {_TOKEN_CHARACTERS} characters"
        raise ValueError(msg)
    if not re.fullmatch(r"[!-~]+", token):
        msg = "holds a character that cannot stand in an Authorization header"
        raise ValueError(msg)
    return value


SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]
BearerToken = Annotated[SecretStr, AfterValidator(_bearer_token)]

_TOKEN = f"at least {_TOKEN_CHARACTERS} ASCII characters without spaces, such as `openssl rand -hex 32` prints"


class Settings(GraphSettings, StorageSettings):
    """Settings of the media-server; the contract's table tells what each one means."""

    port: WholeNumber = Field(default=8081, ge=1, le=65535, description="a port number from 1 to 65535")
    credentials_encryption_key: FernetKeys = Field(description=FERNET_KEYS_EXPECTED)
    media_max_original_bytes: WholeNumber = Field(
        default=104857600, gt=0, le=2**40, description="a whole number of bytes from 1 to 1099511627776 (1 TiB)"
    )
    files_signing_secret: SigningSecret = Field(
        description=f"at least {_SECRET_BYTES} bytes, such as `openssl rand -hex 32` prints"
    )
    files_signing_secret_previous: SigningSecret | None = Field(
        default=None, description=f"the secret of before, at least {_SECRET_BYTES} bytes"
    )
    files_url_ttl_seconds: WholeNumber = Field(
        default=900, ge=1, le=_WEEK_SECONDS, description=f"a whole number of seconds from 1 to {_WEEK_SECONDS} (a week)"
    )
    operator_token: BearerToken = Field(description=_TOKEN)
    admin_token: BearerToken = Field(description=f"{_TOKEN}; another one than OPERATOR_TOKEN")
    media_accel_redirect: str | None = Field(
        default=None,
        pattern=r"^/[A-Za-z0-9_./-]*$",
        description="the path of an internal nginx location, such as /_files/",
    )

    @classmethod
    def contradictions(cls, given: Mapping[str, str]) -> Iterator[Problem]:
        """See `ServiceSettings`."""
        yield from super().contradictions(given)
        if "ADMIN_TOKEN" in given and given.get("OPERATOR_TOKEN") == given["ADMIN_TOKEN"]:
            yield "ADMIN_TOKEN", "is the same as OPERATOR_TOKEN; expected another one, or the two roles would be one"
