from __future__ import annotations

from pathlib import Path

import pytest

from tcpmirror.export.batches import BATCH_LIMIT_BYTES, next_batch
from tcpmirror.export.spool import Spool
from tcpmirror.model.report import encode_report
from tests.export.reports import numbered_report


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, 1 << 28, 1 << 26, fsync=False)


def fill(spool: Spool, count: int, request: bytes = b"GET /") -> None:
    for number in range(count):
        spool.append(encode_report(numbered_report(number, request)))


def test_nothing_spooled_is_no_batch(spool: Spool) -> None:
    assert next_batch(spool.reader(), 10) is None


def test_a_batch_holds_as_many_reports_as_are_wanted(spool: Spool) -> None:
    fill(spool, 25)
    sizes = []
    while (batch := next_batch(spool.reader(), 10)) is not None:
        sizes.append(len(batch.reports))
        spool.reader().acknowledge(batch.part)
    assert sizes == [10, 10, 5]


def test_a_batch_stays_below_its_limit_of_bytes(spool: Spool) -> None:
    fill(spool, 20, request=b"\xff" * (1 << 20))
    batch = next_batch(spool.reader(), 500)
    assert batch is not None
    assert 1 < len(batch.reports) < 20
    assert sum(map(len, batch.reports)) <= BATCH_LIMIT_BYTES


def test_a_report_above_the_limit_goes_alone(spool: Spool) -> None:
    fill(spool, 2, request=b"\xff" * BATCH_LIMIT_BYTES)
    batch = next_batch(spool.reader(), 500)
    assert batch is not None and len(batch.reports) == 1


def test_the_id_is_the_same_for_the_same_records_after_a_crash(spool: Spool, tmp_path: Path) -> None:
    fill(spool, 5)
    before = next_batch(spool.reader(), 500)
    fill(spool, 5)
    spool.close()
    after = next_batch(Spool(tmp_path, 1 << 28, 1 << 26, fsync=False).reader(), 500)
    assert before is not None and after is not None
    assert (after.id, after.reports) == (before.id, before.reports)


def test_ids_differ_between_batches_halves_and_spools(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path / "other", 1 << 28, 1 << 26, fsync=False)
    fill(spool, 4)
    fill(other, 4)
    one, another = next_batch(spool.reader(), 4), next_batch(other.reader(), 4)
    assert one is not None and another is not None
    assert len({one.id, another.id, *(half.id for half in one.halves())}) == 4


def test_halves_are_the_whole(spool: Spool) -> None:
    fill(spool, 5)
    batch = next_batch(spool.reader(), 5)
    assert batch is not None
    first, second = batch.halves()
    assert first.reports + second.reports == batch.reports
    assert first.part.records + second.part.records == batch.part.records


def test_a_record_without_a_json_form_is_told_by_its_half_alone(spool: Spool) -> None:
    fill(spool, 1)
    spool.append(b"no report")
    batch = next_batch(spool.reader(), 5)
    assert batch is not None and "report" in batch.problem
    good, bad = batch.halves()
    assert good.problem == "" and bad.problem == batch.problem
