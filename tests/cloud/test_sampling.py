from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from tcpmirror.cloud import facet_counts, ingest, sampling
from tcpmirror.cloud.attacks import list_attacks
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.ingest import store_batch
from tcpmirror.cloud.sampling import Sampler
from tcpmirror.cloud.schema import attacks, counted_reports, facets, hits, reports
from tcpmirror.cloud.search.language import parse
from tests.cloud.running import MINUTE, NOON, finding, report
from tests.cloud.test_ingest import batch


def send(database: Database, sampler: Sampler, name: str, *of: Any) -> None:
    store_batch(database, "n1", batch(name, *of), NOON, sampler=sampler)


def totals(database: Database) -> tuple[int, int, int, int]:
    """Return reports and hits that are stored, hits that the attacks count, and those of them that were only counted."""
    with database.reading() as connection:
        stored = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (reports, hits)]
        sums = connection.execute(select(func.sum(attacks.c.hits), func.sum(attacks.c.counted))).one()
    return stored[0], stored[1], int(sums[0]), int(sums[1])


def bola(number: int, **changes: Any) -> dict[str, Any]:
    return report(number, findings=[finding(type="bola", payload="")], **changes)


SENT = {
    "off keeps all": ("off", [report(n) for n in range(12)], 12),
    "regular keeps five": ("regular", [report(n) for n in range(12)], 5),
    "regular looks at no payload": ("regular", [report(n, findings=[finding(payload=str(n))]) for n in range(12)], 5),
    "automatic keeps five of a payload": ("automatic", [report(n) for n in range(12)], 5),
    "automatic keeps other payloads": (
        "automatic",
        [report(n, findings=[finding(payload=str(n % 3))]) for n in range(24)],
        15,
    ),
    "automatic keeps five of a behaviour": ("automatic", [bola(n) for n in range(12)], 5),
    "extreme keeps one of a payload": ("extreme", [report(n, findings=[finding(payload=str(n % 3))]) for n in range(24)], 3),
    "extreme keeps a tenth of a behaviour": ("extreme", [bola(n) for n in range(30)], 3),
    "another source is another": ("regular", [report(n, real_ip=f"192.0.2.{n % 2}") for n in range(24)], 10),
    "another code is another": ("regular", [report(n, status=200 + n % 2) for n in range(24)], 10),
    "another method is another": ("regular", [report(n, method=("GET", "PUT")[n % 2]) for n in range(24)], 10),
    "another target is another": ("regular", [report(n, host=f"h{n % 2}") for n in range(24)], 10),
    "another hour is another": ("regular", [report(n, time_ns=NOON + n * 15 * MINUTE) for n in range(4)], 4),
    "proof is kept beside the rest": (
        "regular",
        [report(n, findings=[finding(evidence="root" if n > 8 else "")]) for n in range(12)],
        8,
    ),
}


@pytest.mark.parametrize(("mode", "sent", "kept"), SENT.values(), ids=SENT.keys())
@pytest.mark.parametrize("size", [1, 100])
def test_identical_hits_are_counted_and_some_kept(
    database: Database, mode: str, sent: list[dict[str, Any]], kept: int, size: int
) -> None:
    sampler = Sampler(mode)
    for at in range(0, len(sent), size):
        send(database, sampler, str(at), *sent[at : at + size])
    assert totals(database) == (kept, kept, len(sent), len(sent) - kept)


def test_report_that_was_only_counted_is_not_counted_twice(database: Database) -> None:
    sampler = Sampler("regular")
    send(database, sampler, "a", *(report(n) for n in range(10)))
    send(database, sampler, "b", *(report(n) for n in range(10)))
    send(database, Sampler("off"), "after a restart", *(report(n) for n in range(10)))
    assert totals(database) == (5, 5, 10, 5)


def test_hit_of_another_type_keeps_its_report_and_itself(database: Database) -> None:
    sampler = Sampler("regular")
    both = [finding(), finding(type="xss", payload="<b>")]
    send(database, sampler, "a", *(report(n) for n in range(5)))
    send(database, sampler, "b", *(report(5 + n, findings=both) for n in range(3)))
    assert totals(database) == (8, 8, 11, 3)


def test_batch_that_was_not_committed_leaves_no_trace(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Sampler("regular")
    with monkeypatch.context() as broken:
        broken.setattr(ingest, "_insert_receipt", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            send(database, sampler, "a", *(report(n) for n in range(10)))
    send(database, sampler, "a", *(report(n) for n in range(10)))
    assert totals(database) == (5, 5, 10, 5)


def test_scan_of_one_parameter_is_bounded_and_its_counts_are_exact(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "OF_ATTACK", 50)
    monkeypatch.setattr(facet_counts, "FACETS", 40)
    sampler = Sampler("automatic")
    for at in range(0, 300, 60):
        sent = [report(n, findings=[finding(payload=f"{n}' or 1=1")], real_ip=f"192.0.2.{n}") for n in range(at, at + 60)]
        send(database, sampler, str(at), *sent)
    assert totals(database) == (50, 50, 300, 250)
    with database.reading() as connection:
        summed = dict(connection.execute(select(facets.c.kind, func.sum(facets.c.hits)).group_by(facets.c.kind)).all())
        number = dict(connection.execute(select(facets.c.kind, func.count()).group_by(facets.c.kind)).all())
    assert {kind: int(total) for kind, total in summed.items()} == {"payload": 300, "source": 300, "status": 300}
    assert number == {"payload": 41, "source": 41, "status": 1}
    (attack,) = list_attacks(database, parse("sampled", NOON), 9).rows
    assert (attack.hits, attack.payloads, attack.sources) == (300, 40, 40)
    assert list_attacks(database, parse("!sampled", NOON), 9).rows == ()


def test_source_that_attacks_everything_is_bounded_and_each_attack_keeps_a_hit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "OF_SOURCE", 20)
    sent = [report(n, host=f"h{n % 30}", findings=[finding(payload=str(n))]) for n in range(90)]
    send(database, Sampler("automatic"), "a", *sent)
    assert totals(database) == (30, 30, 90, 60)


def test_ids_of_counted_reports_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_KEPT_COUNTED", 10)
    sampler = Sampler("regular")
    for at in range(0, 60, 10):
        send(database, sampler, str(at), *(report(n) for n in range(at, at + 10)))
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(counted_reports)).scalar_one() == 10
