from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpmirror.export.delivery import DeliveryError
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.lines import LinesFile, StandardOutput


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_each_hit_is_a_line(tmp_path: Path, hits: list[Hit]) -> None:
    path = tmp_path / "hits.jsonl"
    sink = LinesFile(path)
    sink.send("b1", hits)
    sink.send("b2", hits[:1])
    assert ids(path) == [hit.id for hit in (*hits, hits[0])]
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_rotated_away_is_made_anew(tmp_path: Path, hits: list[Hit]) -> None:
    path = tmp_path / "hits.jsonl"
    sink = LinesFile(path)
    sink.send("b1", hits)
    path.rename(tmp_path / "hits.jsonl.1")
    sink.send("b2", hits[:1])
    assert ids(path) == [hits[0].id]


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path, hits: list[Hit]) -> None:
    path = tmp_path / "hits.jsonl"
    path.write_text('{"id": "cut o')
    LinesFile(path).send("b1", hits[:1])
    assert json.loads(path.read_text().splitlines()[1])["id"] == hits[0].id


def test_a_directory_that_is_not_there_is_told(tmp_path: Path, hits: list[Hit]) -> None:
    with pytest.raises(DeliveryError, match="No such file"):
        LinesFile(tmp_path / "missing" / "hits.jsonl").send("b1", hits)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr!r}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_takes_whole_batches_or_none(small_disk: Path, hits: list[Hit]) -> None:
    sink, taken = LinesFile(small_disk / "hits.jsonl"), 0
    with pytest.raises(DeliveryError, match="No space left"):
        for _ in range(1000):
            sink.send("b", hits)
            taken += 1
    assert len(ids(small_disk / "hits.jsonl")) == 3 * taken > 0


def test_standard_output_gets_the_same(capfdbinary: pytest.CaptureFixture[bytes], hits: list[Hit]) -> None:
    StandardOutput().send("b1", hits)
    assert [json.loads(line)["id"] for line in capfdbinary.readouterr().out.splitlines()] == [hit.id for hit in hits]
