"""Settings from the environment: typed, validated once at start, every mistake named in one message.

Only a service's `settings.py` declares settings; nothing else in the project reads the environment.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.setting_types import Collector, Headers, WholeNumber, url_of

_ADDRESSES = ("_url", "_uri")
"""Somebody may have put a password into one: what stands there is never repeated."""

# how pydantic calls what is wrong with a number; its sentences about the rest are plain enough
_OUT_OF_RANGE = {
    "greater_than": "too small",
    "greater_than_equal": "too small",
    "less_than": "too large",
    "less_than_equal": "too large",
    "int_parsing_size": "too large",
}

Problem = tuple[str, str]
"""A setting's name and what is wrong with it."""


class ServiceSettings(BaseSettings):
    """What every service reads. Field names are the environment's names in lower case.

    A field's `description` completes the sentence "expected …" in the error message.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    rabbitmq_url: Annotated[SecretStr, url_of("amqp", "amqps")] = Field(
        default=SecretStr("amqp://guest:guest@127.0.0.1:5672/"),
        description="an AMQP URL such as amqp://user:password@host:5672/",
    )
    host: str = Field(default="127.0.0.1", description="an address to listen on")
    port: WholeNumber = Field(default=8080, ge=1, le=65535, description="a port number from 1 to 65535")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Literal["json", "console"] | None = Field(
        default=None, description="json or console (default: console on a terminal, else json)"
    )
    otel_exporter_otlp_endpoint: Collector | None = Field(
        default=None, description="the base URL of an OpenTelemetry collector such as http://127.0.0.1:4318"
    )
    otel_exporter_otlp_headers: Headers | None = Field(
        default=None, description="what the collector asks for, such as api-key=…,tenant=…"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given in code, else the environment, else the file that `NAME_FILE` names."""
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @classmethod
    def contradictions(cls, given: Mapping[str, str]) -> Iterator[Problem]:
        """Mistakes that only show when settings are seen together. `given` has upper-case names, nothing empty."""
        yield from ()

    def secrets(self) -> Iterator[str]:
        """Every secret text in these settings, for the redaction of logs."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, SecretStr):
                    yield item.get_secret_value()


S = TypeVar("S", bound=ServiceSettings)


def load_settings(settings_type: type[S]) -> S:
    """The settings, or exit with code 2 and one message on stderr that lists every wrong one."""
    problems = list(_given_twice(settings_type))
    try:
        settings = settings_type()
    except ValidationError as error:
        problems += _described(settings_type, error)
    problems += settings_type.contradictions(_given(settings_type))
    if problems:
        sys.stderr.write(_message(problems))
        raise SystemExit(2)
    return settings


class _SecretFiles(PydanticBaseSettingsSource):
    """The content of the file that `NAME_FILE` names, for secrets; one line end at its end is not part of it."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{field_name.upper()}_FILE")
        if not path or not _is_secret(field):
            return None, field_name, False
        try:
            content = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return _Unreadable(f"{path} cannot be read: {type(error).__name__}"), field_name, False
        return content.removesuffix("\n").removesuffix("\r") or None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                found[name] = value
        return found


class _Unreadable:
    """Stands where a secret's text would, so that validation reports it with all other mistakes."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _given(settings_type: type[ServiceSettings]) -> dict[str, str]:
    files = _SecretFiles(settings_type)()
    given = {name.upper(): value for name, value in files.items() if isinstance(value, str)}
    for name in settings_type.model_fields:
        if value := os.environ.get(name.upper()):
            given[name.upper()] = value
    return given


def _given_twice(settings_type: type[ServiceSettings]) -> Iterator[Problem]:
    for name, field in settings_type.model_fields.items():
        upper = name.upper()
        if _is_secret(field) and os.environ.get(upper) and os.environ.get(f"{upper}_FILE"):
            yield upper, f"given twice, as {upper} and as {upper}_FILE; keep one of them"


def _described(settings_type: type[ServiceSettings], error: ValidationError) -> Iterator[Problem]:
    seen: set[str] = set()
    for mistake in error.errors(include_url=False, include_context=False):
        name = str(mistake["loc"][0])
        if name in seen:
            continue
        seen.add(name)
        field = settings_type.model_fields[name]
        expected = f"; expected {field.description}" if field.description else ""
        value = mistake.get("input")
        if isinstance(value, _Unreadable):
            yield name.upper(), f"{name.upper()}_FILE: {value.reason}{expected}"
        elif mistake["type"] == "missing":
            yield name.upper(), f"is missing{expected}"
        else:
            reason = _OUT_OF_RANGE.get(mistake["type"]) or mistake["msg"].removeprefix("Value error, ")
            given = (
                "the value"
                if _is_secret(field) or name.endswith(_ADDRESSES)
                else repr(os.environ.get(name.upper(), ""))
            )
            yield name.upper(), f"{given} is not right ({reason}){expected}"


def _message(problems: list[Problem]) -> str:
    count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
    lines = [f"Cannot start: {count} wrong or missing.", *(f"  {name}: {text}" for name, text in problems)]
    return "\n".join([*lines, "Every setting is described in .env.example.", ""])
