from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.export.attack_log import hit_facts
from tcpmirror.export.tallies import Tallies
from tcpmirror.export.wire import read_report, wire_batch, wire_report
from tcpmirror.model.report import encode_report
from tests.export.reports import EXAMPLE


def test_every_field_is_on_the_wire() -> None:
    wired = json.loads(wire_report(EXAMPLE))
    assert base64.b64decode(wired.pop("request_b64")) == EXAMPLE.request
    assert base64.b64decode(wired.pop("response_b64")) == EXAMPLE.response
    expected = asdict(EXAMPLE)
    del expected["request"], expected["response"]
    assert wired == json.loads(json.dumps(expected))


@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_has_a_json_form(uri: str, payload: str) -> None:
    report = replace(EXAMPLE, uri=uri, findings=(replace(EXAMPLE.findings[0], payload=payload),))
    assert json.loads(wire_report(read_report(encode_report(report))))["host"] == "shop.example"


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    assert json.loads(wire_report(replace(EXAMPLE, uri="/\ud800")))["uri"] == "/\\ud800"


def test_a_number_that_json_readers_do_not_take_is_no_report() -> None:
    with pytest.raises(ValueError, match="JSON form"):
        wire_report(replace(EXAMPLE, request_bytes=2**70))


@given(st.binary(max_size=200))
def test_no_bytes_make_reading_a_report_raise_anything_else(record: bytes) -> None:
    with pytest.raises(ValueError):
        read_report(record)


@pytest.mark.parametrize(
    "meta",
    [
        pytest.param(b"[]", id="array"),
        pytest.param(b"{}", id="nothing in it"),
        pytest.param(b'{"findings": 3, "anomalies": []}', id="findings no list"),
        pytest.param(b'{"findings": [], "anomalies": [], "more": 1}', id="unknown field"),
        pytest.param(b"[" * 100_000, id="nested too deep"),
    ],
)
def test_json_of_another_shape_is_no_report(meta: bytes) -> None:
    with pytest.raises(ValueError):
        read_report(len(meta).to_bytes(4, "little") + bytes(8) + meta)


WRONG_TYPES = {
    "time as text": {"time_ns": "1"},
    "time of 65 bits": {"time_ns": 2**64},
    "time not finite": {"time_ns": float("inf")},
    "status true": {"status": True},
    "client a number": {"client": 1},
    "host a list": {"host": []},
    "payload none": {"findings": (replace(EXAMPLE.findings[0], payload=None),)},
    "point of numbers": {"findings": (replace(EXAMPLE.findings[0], point=(1,)),)},
    "anomaly a number": {"anomalies": (2**70,)},
    "type a list": {"findings": (replace(EXAMPLE.findings[0], type=[]),)},
}


@pytest.mark.parametrize("changes", WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
def test_a_field_of_the_wrong_type_is_no_report(changes: dict) -> None:
    with pytest.raises(ValueError, match="no report"):
        read_report(encode_report(replace(EXAMPLE, **changes)))


FIELDS = [name for name in asdict(EXAMPLE) if name not in ("request", "response")]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
JSON = st.recursive(SCALARS, st.lists, max_leaves=6)


@given(st.sampled_from(FIELDS), JSON)
def test_what_passes_for_a_report_can_be_logged_counted_and_sent(field: str, value: object) -> None:
    meta = {name: each for name, each in asdict(EXAMPLE).items() if name in FIELDS}
    meta["findings"] = [["sqli", ["get", "id"], "1", "rule", 0.5]]
    packed = json.dumps(meta | {field: value}).encode()
    try:
        report = read_report(len(packed).to_bytes(4, "little") + bytes(8) + packed)
    except ValueError:
        return
    hit_facts(report, report.findings[0], 1) if report.findings else None
    Tallies().add(report)
    wire_report(report)


def test_a_batch_is_compressed_json() -> None:
    body = wire_batch("b1", (wire_report(EXAMPLE), wire_report(EXAMPLE)))
    batch = json.loads(zstandard.ZstdDecompressor().decompress(body))
    assert (batch["batch_id"], [report["id"] for report in batch["reports"]]) == ("b1", [EXAMPLE.id] * 2)
