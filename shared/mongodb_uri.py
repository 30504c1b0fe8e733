"""The type of the setting MONGODB_URI. Apart from the others: it asks the driver, which not every service has."""

import re
import warnings
from typing import Annotated

from pydantic import AfterValidator, SecretStr
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from shared.setting_types import url_of

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _mongodb_uri(value: SecretStr) -> SecretStr:
    """Refuse what the driver refuses, without asking anybody: the hosts of `mongodb+srv` stand in DNS."""
    uri = value.get_secret_value()
    if _BROKEN_ESCAPE.search(uri):
        msg = "a % that is part of the user name or password is written %25 in a URL"
        raise ValueError(msg)
    if uri.startswith("mongodb://"):
        try:
            with warnings.catch_warnings(action="ignore"):  # the client says them, too
                parse_uri(uri, warn=True)
        except (PyMongoError, ValueError, TypeError, OSError):  # their texts may repeat a part of it
            msg = "the driver cannot read it: are user name and password percent-encoded, and the options right?"
            raise ValueError(msg) from None
    return value


MongodbUri = Annotated[SecretStr, url_of("mongodb", "mongodb+srv"), AfterValidator(_mongodb_uri)]
