from __future__ import annotations

import base64
import json
from pathlib import Path

from tcpmirror.export import rejected
from tcpmirror.export.rejected import append_rejected


def test_the_record_can_be_taken_out_again(tmp_path: Path) -> None:
    append_rejected(tmp_path / "rejected.jsonl", b"\x00one", "413")
    append_rejected(tmp_path / "rejected.jsonl", b"two", "400")
    lines = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [(line["reason"], base64.b64decode(line["record_b64"])) for line in lines] == [
        ("413", b"\x00one"),
        ("400", b"two"),
    ]
    assert (tmp_path / "rejected.jsonl").stat().st_mode & 0o777 == 0o600


def test_the_files_stay_within_their_limit(tmp_path: Path) -> None:
    record = bytes(rejected.FILE_LIMIT_BYTES // 4)
    for _ in range(10):
        append_rejected(tmp_path / "rejected.jsonl", record, "413")
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == {"rejected.jsonl", "rejected.jsonl.1"}
    assert max(sizes.values()) <= rejected.FILE_LIMIT_BYTES
