"""The kinds of values that settings have, each refusing what is not right with a reason for people.

Types as they stand in the environment: whole numbers are plain digits, booleans `true` or `false`, lists have commas.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

LONGEST_DELAY_SECONDS = 2_592_000
"""30 days; RabbitMQ counts a queue's TTL in milliseconds, in 32 bits."""

_HEADER = re.compile(r"[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ -!#-+\--:<-\[\]-~\t]*")


def _whole_number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        msg = "not a whole number"
        raise ValueError(msg)
    if digits != value:  # no setting is negative
        msg = "too small"
        raise ValueError(msg)
    return value


def _true_or_false(value: Any) -> Any:
    if isinstance(value, str):
        if value not in {"true", "false"}:
            msg = "neither true nor false"
            raise ValueError(msg)
        return value == "true"
    return value


def _items(value: Any) -> Any:
    """Comma list, trimmed. An empty item is a mistake (a stray comma would silently mean something)."""
    if not isinstance(value, str):
        return value
    items = tuple(item.strip() for item in value.split(","))
    if "" in items:
        msg = "the list has an empty item"
        raise ValueError(msg)
    return items


def _secret_items(value: Any) -> Any:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return _items(value)


def url_of(*schemes: str) -> AfterValidator:
    """Accept a secret URL of one of these schemes that names a host; its text may hold a password."""

    def check(value: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(value.get_secret_value())
            named = parts.scheme in schemes and bool(parts.hostname)
            if "," not in parts.netloc:  # several hosts, as MongoDB allows, have several ports
                _ = parts.port
        except ValueError:
            named = False
        if named and parts.netloc.count("@") > 1:
            msg = "the user name or password holds an @, which is written %40 in a URL"
            raise ValueError(msg)
        if not named:
            msg = f"not a URL that starts with {' or '.join(scheme + '://' for scheme in schemes)} and names a host"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _http_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
        _ = parts.port  # raises when it is none
    except ValueError:  # its text may repeat a password
        is_one = False
    if not is_one or not set("?#").isdisjoint(value):
        msg = "not an http(s) URL of a host without user, query and fragment"
        raise ValueError(msg)
    return value.rstrip("/")


def _base(value: SecretStr) -> SecretStr:
    if not set("?#").isdisjoint(value.get_secret_value()):
        msg = "a base URL has no query and no fragment"
        raise ValueError(msg)
    return value


def _folder(value: str) -> str:
    scheme = value.partition("://")[0] if "://" in value else ""
    if scheme:
        msg = f"{scheme}:// storage is not available in this version"
        raise ValueError(msg)
    if "\0" in value or (Path(value).exists() and not Path(value).is_dir()):
        msg = "not a folder"
        raise ValueError(msg)
    return value


def _headers(value: SecretStr) -> SecretStr:
    """Accept `name=value` pairs as OpenTelemetry specifies them: values may be percent-encoded, and hold spaces."""
    if not all(_HEADER.fullmatch(pair) for pair in value.get_secret_value().split(",")):
        msg = "not a comma list of name=value"
        raise ValueError(msg)
    return value


def _access_token(value: SecretStr) -> SecretStr:
    """Accept what can stand in an `Authorization` header."""
    token = value.get_secret_value()
    if not (token.isascii() and token.isprintable()) or " " in token:
        msg = "it holds a space, a line break or a character that no access token has"
        raise ValueError(msg)
    return value


AccessToken = Annotated[SecretStr, AfterValidator(_access_token)]
WholeNumber = Annotated[int, BeforeValidator(_whole_number)]
Flag = Annotated[bool, BeforeValidator(_true_or_false)]
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Delay = Annotated[WholeNumber, Field(gt=0, le=LONGEST_DELAY_SECONDS)]
Delays = Annotated[tuple[Delay, ...], NoDecode, BeforeValidator(_items)]
SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_secret_items)]
Folder = Annotated[str, AfterValidator(_folder)]
HttpAddress = Annotated[str, AfterValidator(_http_address)]
Collector = Annotated[SecretStr, url_of("http", "https"), AfterValidator(_base)]
"""Where traces go; its text may hold a password."""
Headers = Annotated[SecretStr, AfterValidator(_headers)]
"""What is sent along to there; most often an API key."""
OnRevoke = Literal["keep", "erase"]
"""What becomes of the attachments of a message that its sender deletes."""
