"""The setting by which access tokens are encrypted at rest. Apart from `shared.settings`: the gateway has no cipher."""

from typing import Annotated

from cryptography.fernet import Fernet
from pydantic import AfterValidator, SecretStr

from shared.setting_types import SecretList


def _fernet_keys(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for place, key in enumerate(keys, start=1):
        try:
            Fernet(key.get_secret_value())
        except ValueError:
            msg = f"key {place} of {len(keys)} is not a Fernet key"
            raise ValueError(msg) from None
    return keys


FernetKeys = Annotated[SecretList, AfterValidator(_fernet_keys)]
"""One or more keys, newest first: the first encrypts, each decrypts."""
FERNET_KEYS_EXPECTED = "one or more Fernet keys, a comma list, newest first (attache key prints one)"
