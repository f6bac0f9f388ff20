from __future__ import annotations

from sqlalchemy import select

from tcpmirror.cloud.attacks import hit_detail, hits_at
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import hits
from tcpmirror.cloud.sessions.intake import take_digests
from tcpmirror.cloud.sessions.reading import session_of_request
from tcpmirror.sessions.digest import Event, SessionDigest
from tests.cloud.running import NOON, report
from tests.cloud.test_ingest import store

SECOND = 10**9
DAY = 86_400 * SECOND


def session(number: int, *seconds: int, source: str = "203.0.113.9") -> SessionDigest:
    """Return a session with attacks at NOON and so many *seconds*."""
    times = [NOON + each * SECOND for each in seconds]
    made = SessionDigest(f"{number:016x}", NOON // DAY, "cookie SID", min(times), max(times), len(times), 0, 0, 0)
    made.sources.add(source)
    made.attacks["sqli"] = len(times)
    made.attack_events.update(Event(time_ns, source, "GET", "shop.example", "/", 200, 1, 1, "sqli") for time_ns in times)
    return made


def test_hits_of_one_session_are_told_from_others_of_its_source(database: Database) -> None:
    store(database, "a", *(report(number, time_ns=NOON + number * SECOND) for number in range(8)))
    take_digests(database, "n1", "d", [session(1, 0, 4, 7), session(2, 1, 2, 6), session(3, 0, 7, source="192.0.2.1")], NOON)
    found = session_of_request(database, "203.0.113.9", NOON + 4 * SECOND)
    assert found is not None and found.id == f"{1:016x}"
    with database.reading() as connection:
        number = connection.execute(select(hits.c.id).where(hits.c.time_ns == NOON + 4 * SECOND)).scalar_one()
    hit = hit_detail(database, number)
    assert hit is not None
    moments = {(event.time_ns, event.source) for event in found.attack_events}
    assert [(row.time_ns - NOON) // SECOND for row in hits_at(database, moments, hit, 10)] == [0, 7]
    assert [(row.time_ns - NOON) // SECOND for row in hits_at(database, moments, hit, 1)] == [7]


def test_what_no_session_has_is_of_none(database: Database) -> None:
    take_digests(database, "n1", "d", [session(1, 0, 4, 7)], NOON)
    assert session_of_request(database, "203.0.113.9", NOON + 5 * SECOND) is None
    assert session_of_request(database, "203.0.113.%", NOON + 4 * SECOND) is None
