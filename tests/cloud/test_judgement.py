from __future__ import annotations

import pytest
from sqlalchemy import select

from tcpmirror.cloud.accounts import ensure_first_account
from tcpmirror.cloud.audit import Actor, AuditFilter, list_audit
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.judgement import NoSuchAccount, Status, comment, judge, list_comments
from tcpmirror.cloud.schema import attacks, hits
from tests.cloud.running import NOON, PASSWORD, finding, report
from tests.cloud.test_ingest import store

MARIA = Actor("maria", "192.0.2.1")


@pytest.fixture
def attack_id(database: Database) -> int:
    store(database, "a", report(1))
    return int(only_attack(database).id)


def only_attack(database: Database):
    with database.reading() as connection:
        return connection.execute(select(attacks)).one()


def test_attack_begins_open_and_is_judged(database: Database, attack_id: int) -> None:
    ensure_first_account(database, PASSWORD, NOON)
    assert (only_attack(database).status, only_attack(database).assignee) == ("open", "")
    assert judge(database, attack_id, Status.IN_PROGRESS, "admin", MARIA, NOON)
    assert judge(database, attack_id, Status.CLOSED, None, MARIA, NOON)
    assert (only_attack(database).status, only_attack(database).assignee) == ("closed", "admin")
    entries = list_audit(database, AuditFilter(action="attack"), 10)
    assert [entry.details for entry in entries] == [{"status": "closed"}, {"status": "in_progress", "assignee": "admin"}]


def test_hits_that_come_later_leave_the_judgement_alone(database: Database, attack_id: int) -> None:
    judge(database, attack_id, Status.FALSE_POSITIVE, None, MARIA, NOON)
    store(database, "b", report(2))
    assert (only_attack(database).status, only_attack(database).hits) == ("false_positive", 2)


def test_nobody_and_nothing_are_told(database: Database, attack_id: int) -> None:
    with pytest.raises(NoSuchAccount, match="eve"):
        judge(database, attack_id, None, "eve", MARIA, NOON)
    assert not judge(database, 999, Status.CLOSED, None, MARIA, NOON)
    assert comment(database, 999, "nothing", MARIA, NOON) is None
    assert judge(database, attack_id, Status.OPEN, "", MARIA, NOON)
    assert list_audit(database, AuditFilter(action="attack"), 10) == []


def test_comments_are_kept_in_order_with_their_author(database: Database, attack_id: int) -> None:
    for text in ("first <b>", "second"):
        comment(database, attack_id, text, MARIA, NOON)
    assert [(row.author, row.text) for row in list_comments(database, attack_id)] == [
        ("maria", "first <b>"),
        ("maria", "second"),
    ]


def test_evidence_of_success_makes_an_incident_and_stays(database: Database) -> None:
    store(database, "a", report(1, findings=[finding(evidence="root:x:0:0")]), report(2))
    store(database, "b", report(3))
    attack = only_attack(database)
    assert (attack.hits, attack.evidence_hits, attack.evidence) == (3, 1, "root:x:0:0")
    store(database, "c", report(4, findings=[finding(evidence=""), finding(evidence="uid=0", confidence=0.5)]))
    attack = only_attack(database)
    assert (attack.hits, attack.evidence_hits, attack.evidence) == (4, 2, "uid=0")
    with database.reading() as connection:
        kept = connection.execute(select(hits.c.evidence).order_by(hits.c.time_ns)).scalars().all()
    assert kept == ["root:x:0:0", "", "", "uid=0"]
