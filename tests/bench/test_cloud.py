from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from bench.cloud.filling import NotEmptyError, fill
from bench.cloud.ingesting import BATCH, ingestion_rate
from bench.cloud.skew import sizes
from bench.cloud.timings import timings
from tcpmirror.cloud.database import open_database
from tcpmirror.cloud.schema import attacks, facets, hits, reports


@pytest.mark.parametrize(("attack_count", "hit_count"), [(1, 1), (10, 10), (200, 2_000), (1_000, 50_000)])
def test_sizes_add_up_and_fall_off(attack_count: int, hit_count: int) -> None:
    counts = sizes(attack_count, hit_count)
    assert (len(counts), sum(counts), min(counts) >= 1) == (attack_count, hit_count, True)
    assert counts == sorted(counts, reverse=True)


def test_filled_store_is_what_ingestion_would_have_left(tmp_path: Path) -> None:
    database = open_database(tmp_path / "cloud.db")
    fill(database, 300, 3_000, lambda _: None)
    with database.reading() as connection:
        assert {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (attacks, hits, reports)} == {"attacks": 300, "hits": 3_000, "reports": 3_000}  # fmt: skip
        wrong = text(
            "select count(*) from attacks where hits <> (select count(*) from hits where attack_id = attacks.id)"
            " or first_ns <> (select min(time_ns) from hits where attack_id = attacks.id)"
            " or last_ns <> (select max(time_ns) from hits where attack_id = attacks.id)"
            " or sources <> (select count(*) from facets where attack_id = attacks.id and kind = 'source')"
            " or payloads <> (select count(*) from facets where attack_id = attacks.id and kind = 'payload')"
        )
        assert connection.execute(wrong).scalar_one() == 0
        assert connection.execute(select(func.sum(facets.c.hits)).where(facets.c.kind == "status")).scalar_one() == 3_000
    with pytest.raises(NotEmptyError):
        fill(database, 1, 1, lambda _: None)
    assert {timing.longest_ms > 0 for timing in timings(database)} == {True}
    rate = ingestion_rate(database, 2)
    assert rate.findings == 2 * BATCH and rate.per_second > 0
    database.close()
