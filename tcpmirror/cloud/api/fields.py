"""Types of fields that more than one part of the API has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("printable characters are needed, with no space around them")
    return text


Name = Annotated[str, Field(min_length=1, max_length=64, examples=["grafana"]), AfterValidator(_printable)]


def time_of(time_ns: int) -> datetime:
    """Return the moment *time_ns* nanoseconds after 1970, UTC."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC)


def optional_time_of(time_ns: int | None) -> datetime | None:
    return None if time_ns is None else time_of(time_ns)


def ns_of(time: datetime | None) -> int | None:
    """Return the nanoseconds from 1970 to *time* (UTC where it names no zone), kept within 64 bits."""
    if time is None:
        return None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return min(max(int(aware.timestamp() * 1_000_000) * 1000, 0), 2**63 - 1)


class ConditionEntry(BaseModel):
    """What a value of the request has to be."""

    point: Annotated[str, Field(max_length=256, examples=["header.HOST"])]
    type: Literal["equal", "iequal", "regex", "absent"] = "equal"
    value: Annotated[str, Field(max_length=2048, examples=["partner.example"])] = ""
