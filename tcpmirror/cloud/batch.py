"""A batch as it comes over the wire: bounded decompression, then each report checked by itself."""

from __future__ import annotations

import binascii
import zlib
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import orjson
import zstandard
from pydantic import BaseModel, ConfigDict, Field, ValidationError

BODY_LIMIT: Final = 32 * 1024 * 1024  # of a batch, before and after decompression: four times what a sensor sends
REPORT_LIMIT: Final = 10_000  # reports in a batch; a sensor sends 500
_KEPT_RECORD: Final = 16 * 1024  # characters kept of a record that was refused
_INT64: Final = 2**63 - 1
# A sensor's decompression window; 8 MiB is what RFC 9659 allows for zstd in HTTP.
_ZSTD_WINDOW: Final = 8 * 1024 * 1024


class MalformedBatch(Exception):
    """The body is not a batch; its text says why."""


class BatchTooLarge(Exception):
    """The body, compressed or not, passes BODY_LIMIT."""


_Short = Annotated[str, Field(max_length=512)]
_Count = Annotated[int, Field(ge=0, le=_INT64)]


class FindingIn(BaseModel):
    """One finding of a report; text is latin-1, one character a byte."""

    model_config = ConfigDict(strict=True)

    type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$", examples=["sqli"])]
    point: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=64, examples=[["get", "id"]])]
    payload: Annotated[str, Field(max_length=4096, examples=["1' OR '1'='1"])]
    rule: Annotated[str, Field(max_length=256, examples=["sqli.tautology"])]
    confidence: Annotated[float, Field(ge=0.0, le=1.0, examples=[0.95])]
    evidence: Annotated[str, Field(max_length=4096, description="What in the response shows that it worked.")] = ""
    grade: Annotated[
        Literal["", "injection", "command"],
        Field(description="It breaks out of the data it stands in, or is code as a whole; empty: the type knows neither."),
    ] = ""
    severity: Annotated[
        Literal["", "low", "medium", "high", "critical"], Field(description="Empty: nobody judged it.", examples=["high"])
    ] = ""


class ReportIn(BaseModel):
    """One exchange with its findings. ``id`` is the same whenever the same exchange is reported again."""

    model_config = ConfigDict(strict=True)

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", examples=["9f0c5a1be2d34f6a8b7c6d5e4f3a2b1c"])]
    time_ns: Annotated[_Count, Field(examples=[1_790_000_000_000_000_000])]
    duration_ns: _Count | None
    client: Annotated[_Short, Field(examples=["203.0.113.9:51544"])]
    server: Annotated[_Short, Field(examples=["10.0.0.5:80"])]
    real_ip: Annotated[_Short, Field(examples=["203.0.113.9"])]
    encapsulation: Annotated[_Short, Field(examples=["vlan:100"])]
    protocol: Annotated[_Short, Field(examples=["HTTP/1.1"])]
    method: Annotated[str, Field(max_length=4096, examples=["GET"])] | None
    host: Annotated[str, Field(max_length=8192, examples=["shop.example"])] | None
    uri: Annotated[str, Field(max_length=131072, examples=["/items?id=1%27%20OR%20%271%27=%271"])] | None
    status: Annotated[int, Field(ge=0, le=65535, examples=[200])] | None
    request_bytes: _Count
    response_bytes: _Count
    application: Annotated[int, Field(ge=-1, le=_INT64, examples=[-1])]
    anomalies: Annotated[list[_Short], Field(max_length=64)]
    findings: Annotated[list[FindingIn], Field(max_length=1024)]
    request_b64: Annotated[str, Field(examples=["R0VUIC8gSFRUUC8xLjENCg0K"])] = ""
    response_b64: str = ""


class BatchIn(BaseModel):
    """A batch: reports under an id that stays the same when the batch is sent again."""

    batch_id: Annotated[str, Field(min_length=1, max_length=64, examples=["b-00000042-0017"])]
    reports: Annotated[list[ReportIn], Field(max_length=REPORT_LIMIT)]


@dataclass(frozen=True, slots=True)
class SoundReport:
    """A report that passed, with its bytes decoded."""

    fields: ReportIn
    request: bytes
    response: bytes


@dataclass(frozen=True, slots=True)
class RefusedReport:
    """A report that did not pass: its place in the batch, why, and the start of what was sent."""

    index: int
    reason: str
    record: str


@dataclass(frozen=True, slots=True)
class Batch:
    batch_id: str
    sound: tuple[SoundReport, ...]
    refused: tuple[RefusedReport, ...]


def decoded_body(raw: bytes, coding: str, limit_bytes: int = BODY_LIMIT) -> bytes:
    """Return *raw* without its Content-Encoding *coding* (`gzip`, `zstd`, `identity` or none).

    Never makes more than *limit_bytes* + 1 bytes, whatever the ratio. Raises MalformedBatch, BatchTooLarge.
    """
    match coding.strip().lower():
        case "" | "identity":
            body = raw
        case "gzip":
            body = _gunzipped(raw, limit_bytes)
        case "zstd":
            body = _unzstd(raw, limit_bytes)
        case other:
            raise MalformedBatch(f"Content-Encoding {other[:40]!r} is not understood; gzip, zstd and identity are")
    if len(body) > limit_bytes:
        raise BatchTooLarge
    return body


def _gunzipped(raw: bytes, limit_bytes: int) -> bytes:
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        body = decoder.decompress(raw, limit_bytes + 1)
    except zlib.error as error:
        raise MalformedBatch(f"not gzip: {error}") from error
    if len(body) <= limit_bytes and not decoder.eof:
        raise MalformedBatch("the gzip body is cut short")
    return body


def _unzstd(raw: bytes, limit_bytes: int) -> bytes:
    # A frame that says its size would be made whole at once by `decompress`; the reader stops where it is told to.
    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(raw)
    try:
        return reader.read(limit_bytes + 1)
    except zstandard.ZstdError as error:
        raise MalformedBatch(f"not zstd: {error}") from error


def parse_batch(body: bytes) -> Batch:
    """Return the batch in the JSON text *body*, its reports sorted into sound and refused; MalformedBatch if it is none."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBatch(f"not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise MalformedBatch("not a JSON object")
    batch_id, reports = parsed.get("batch_id"), parsed.get("reports")
    if not isinstance(batch_id, str) or not 1 <= len(batch_id) <= 64 or not batch_id.isprintable():
        raise MalformedBatch("batch_id: 1 to 64 printable characters are needed")
    if not isinstance(reports, list) or len(reports) > REPORT_LIMIT:
        raise MalformedBatch(f"reports: a list of at most {REPORT_LIMIT} is needed")
    sound: list[SoundReport] = []
    refused: list[RefusedReport] = []
    for index, record in enumerate(reports):
        checked = _checked(index, record)
        if isinstance(checked, SoundReport):
            sound.append(checked)
        else:
            refused.append(checked)
    return Batch(batch_id, tuple(sound), tuple(refused))


def _checked(index: int, record: Any) -> SoundReport | RefusedReport:
    try:
        fields = ReportIn.model_validate(record)
        request = binascii.a2b_base64(fields.request_b64, strict_mode=True)
        response = binascii.a2b_base64(fields.response_b64, strict_mode=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return RefusedReport(index, f"{where}: {first['msg']}"[:300], _start_of(record))
    except (binascii.Error, ValueError) as error:
        return RefusedReport(index, f"request_b64 or response_b64: {error}"[:300], _start_of(record))
    return SoundReport(fields, request, response)


def _start_of(record: Any) -> str:
    try:
        return orjson.dumps(record).decode()[:_KEPT_RECORD]
    except orjson.JSONEncodeError:  # it reads deeper nesting than it writes
        return "(nested too deeply to keep)"
