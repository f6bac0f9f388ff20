"""`tcpmirror inspect`: lines in, verdicts out, bad lines told and passed over."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from tcpmirror.errors import EnvironmentFault
from tcpmirror.processes.inspect import BadLine, raw_request, run_inspect
from tcpmirror.settings.tree import Settings, Supervisor
from tests.detect.conftest import CACHE

SETTINGS = Settings(supervisor=Supervisor(state_dir=str(CACHE.parent)))


def line(name: str, uri: str, body: bytes = b"", **more: object) -> str:
    record = {"id": name, "method": "POST" if body else "GET", "uri": uri, "headers": [["Host", "a.example"]]}
    return json.dumps({**record, "body_b64": base64.b64encode(body).decode(), **more})


def verdicts(tmp_path: Path, lines: list[str], packed: bool = False) -> tuple[int, dict[str, dict[str, object]]]:
    source, out = tmp_path / ("in.jsonl.gz" if packed else "in.jsonl"), tmp_path / "out.jsonl"
    data = "\n".join(lines).encode()
    source.write_bytes(gzip.compress(data) if packed else data)
    code = run_inspect([source], out, SETTINGS)
    records = [json.loads(text) for text in out.read_text().splitlines()]
    return code, {record["id"]: record for record in records}


@pytest.mark.parametrize("packed", [False, True])
def test_verdicts(tmp_path: Path, packed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        line("clean", "/a?b=c"),
        line("path", "/etc/passwd"),
        line("body", "/", b'{"id": "1\' OR 1=1--"}'),
        line("space", "/a b c"),
    ]
    code, found = verdicts(tmp_path, lines, packed)
    assert code == 0
    assert {name: record["types"] for name, record in found.items()} == {
        "clean": [],
        "path": ["ptrav"],
        "body": ["sqli"],
        "space": [],
    }
    assert found["path"]["attack"] is True
    (finding,) = found["path"]["findings"]  # type: ignore[misc]
    assert finding["point"] == "[uri]"
    assert "requests per CPU-second" in capsys.readouterr().err


BAD = {
    "no JSON": "{",
    "no object": "[]",
    "no id": '{"method": "GET"}',
    "no method": '{"id": "x", "uri": "/"}',
    "method of the wrong kind": '{"id": "x", "method": 1, "uri": "/"}',
    "headers of the wrong kind": '{"id": "x", "method": "GET", "uri": "/", "headers": [1]}',
    "body that is no Base64": '{"id": "x", "method": "GET", "uri": "/", "body_b64": "?"}',
    "raw bytes that are no Base64": '{"id": "x", "raw_b64": "?"}',
    "raw bytes of the wrong kind": '{"id": "x", "raw_b64": 1}',
    "raw bytes that are no request": '{"id": "x", "raw_b64": "YWJj"}',
    "deep nesting": "[" * 100_000,
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_line_is_told_counted_and_passed_over(tmp_path: Path, bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = verdicts(tmp_path, [line("one", "/"), bad, line("two", "/")])
    assert code != 0
    assert list(found) == ["one", "two"]
    assert "in.jsonl:2:" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_an_environment_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="missing"):
        run_inspect([tmp_path / "missing.jsonl"], None, SETTINGS)


def test_the_length_is_that_of_the_body_given() -> None:
    raw = raw_request(
        {
            "id": 1,
            "method": "POST",
            "uri": "/\u00ff",
            "headers": [["content-length", "99"], ["Transfer-Encoding", "chunked"]],
            "body_b64": "YWJj",
        }
    )
    assert raw == b"POST /\xff HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"


def test_raw_bytes_are_judged_with_their_framing(tmp_path: Path) -> None:
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: b\r\n"
    code, found = verdicts(tmp_path, [json.dumps({"id": "raw", "raw_b64": base64.b64encode(raw).decode()})])
    assert code == 0
    assert found["raw"]["types"] == ["request_smuggling"]
    (finding,) = found["raw"]["findings"]  # type: ignore[misc]
    assert finding["rule"] == "smuggling-cl-te"
    assert finding["payload"] == "Content-Length 35: body of 35 bytes; Transfer-Encoding chunked: body of 5 bytes"


def test_headers_cannot_smuggle_lines() -> None:
    raw = raw_request({"id": 1, "method": "GET", "uri": "/", "headers": [["A", "b\r\nC: d"]]})
    assert b"\r\nC:" not in raw
    with pytest.raises(BadLine):
        raw_request({"id": 1, "method": "GET", "headers": []})
