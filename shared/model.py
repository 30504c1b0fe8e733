"""The base of every payload and document: frozen, camelCase outside, unknown fields ignored."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel


def rfc3339(moment: datetime) -> str:
    """UTC with `Z` and milliseconds, the one form in which times leave Attache."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


UtcTime = Annotated[AwareDatetime, PlainSerializer(rfc3339, when_used="json")]


class Model(BaseModel):
    """A value: cannot be changed, compares by content, and reads what a newer version wrote."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        hide_input_in_errors=True,  # errors are logged, and payloads hold names and captions
    )

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, camelCase, absent optional fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_document(self) -> dict[str, Any]:
        """The same with real `datetime`s, as MongoDB wants them."""
        return self.model_dump(mode="python", by_alias=True, exclude_none=True)
