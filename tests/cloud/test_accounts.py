from __future__ import annotations

import pytest
from sqlalchemy import select

from tcpmirror.cloud.accounts import (
    AccountChange,
    AccountProblem,
    change_account,
    create_account,
    ensure_first_account,
    list_accounts,
    remove_account,
    verified_account,
)
from tcpmirror.cloud.audit import Actor, AuditFilter, list_audit
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.schema import accounts, audit
from tcpmirror.cloud.sign_in import account_of_session, open_session
from tests.cloud.running import NOON, PASSWORD

ADMIN = Actor("admin", "192.0.2.1")
OTHER = "another long password"


@pytest.fixture
def maria(database: Database) -> int:
    """Make an administrator, and the analyst maria, whose id this is."""
    ensure_first_account(database, PASSWORD, NOON)
    return create_account(database, "maria", Role.ANALYST, PASSWORD, ADMIN, NOON)


def admin_id(database: Database) -> int:
    return next(row.id for row in list_accounts(database) if row.name == "admin")


def test_created_account_signs_in_with_its_role(database: Database, maria: int) -> None:
    account = verified_account(database, "maria", PASSWORD)
    assert account is not None and (account.id, account.role) == (maria, Role.ANALYST)
    assert [(row.name, row.role, row.disabled) for row in list_accounts(database)] == [
        ("admin", "admin", 0),
        ("maria", "analyst", 0),
    ]


def test_disabled_account_is_out_at_once_and_back_when_enabled(database: Database, maria: int) -> None:
    account = verified_account(database, "maria", PASSWORD)
    assert account is not None
    secret = open_session(database, account, NOON)
    change_account(database, maria, AccountChange(disabled=True), ADMIN, NOON)
    assert account_of_session(database, secret, NOON) is None
    assert verified_account(database, "maria", PASSWORD) is None
    change_account(database, maria, AccountChange(disabled=False), ADMIN, NOON)
    assert verified_account(database, "maria", PASSWORD) is not None


CHANGES = {
    "role": (AccountChange(role=Role.READ), "role"),
    "password": (AccountChange(password=OTHER), "password"),
}


@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES.keys())
def test_change_ends_the_sessions_and_is_told_without_secrets(
    database: Database, maria: int, change: AccountChange, told: str
) -> None:
    account = verified_account(database, "maria", PASSWORD)
    assert account is not None
    secret = open_session(database, account, NOON)
    assert change_account(database, maria, change, ADMIN, NOON)
    assert account_of_session(database, secret, NOON) is None
    (entry,) = list_audit(database, AuditFilter(action="account.change"), 10)
    assert (entry.actor, entry.address, entry.object, list(entry.details)) == ("admin", "192.0.2.1", "maria", [told])
    assert OTHER not in str(entry) and "argon2" not in str(entry)


def test_change_of_nothing_is_no_change(database: Database, maria: int) -> None:
    before = len(list_audit(database, AuditFilter(), 100))
    assert change_account(database, maria, AccountChange(role=Role.ANALYST, disabled=False), ADMIN, NOON)
    assert len(list_audit(database, AuditFilter(), 100)) == before


def test_last_administrator_stays(database: Database, maria: int) -> None:
    last = admin_id(database)
    for change in (AccountChange(role=Role.READ), AccountChange(disabled=True)):
        with pytest.raises(AccountProblem, match="last administrator"):
            change_account(database, last, change, ADMIN, NOON)
    with pytest.raises(AccountProblem, match="last administrator"):
        remove_account(database, last, ADMIN, NOON)
    change_account(database, maria, AccountChange(role=Role.ADMIN), ADMIN, NOON)
    assert remove_account(database, last, ADMIN, NOON)
    assert [row.name for row in list_accounts(database)] == ["maria"]


BAD_PASSWORDS = {"short": "fourteen chars", "empty": "", "huge": "x" * 2_000}


@pytest.mark.parametrize("password", BAD_PASSWORDS.values(), ids=BAD_PASSWORDS.keys())
def test_bad_password_is_not_taken(database: Database, maria: int, password: str) -> None:
    with pytest.raises(AccountProblem, match="15 to 1024 characters"):
        create_account(database, "eve", Role.READ, password, ADMIN, NOON)
    with pytest.raises(AccountProblem, match="15 to 1024 characters"):
        change_account(database, maria, AccountChange(password=password), ADMIN, NOON)


def test_name_is_given_once(database: Database, maria: int) -> None:
    with pytest.raises(AccountProblem, match="taken"):
        create_account(database, "maria", Role.READ, OTHER, ADMIN, NOON)


def test_what_is_not_there_is_not_changed(database: Database, maria: int) -> None:
    assert not change_account(database, 999, AccountChange(disabled=True), ADMIN, NOON)
    assert not remove_account(database, 999, ADMIN, NOON)


def test_refused_change_leaves_no_trace(database: Database, maria: int) -> None:
    with database.reading() as connection:
        before = [connection.execute(select(table)).all() for table in (accounts, audit)]
    with pytest.raises(AccountProblem):
        change_account(database, admin_id(database), AccountChange(disabled=True), ADMIN, NOON)
    with database.reading() as connection:
        assert [connection.execute(select(table)).all() for table in (accounts, audit)] == before


AUDIT_FILTERS = {
    "all": (AuditFilter(), 2),
    "actor": (AuditFilter(actor="admin"), 1),
    "part of the action": (AuditFilter(action="account"), 2),
    "not a part before the dot": (AuditFilter(action="acc"), 0),
    "object": (AuditFilter(object="maria"), 1),
    "since": (AuditFilter(since_ns=NOON + 1), 0),
    "until": (AuditFilter(until_ns=NOON), 2),
    "wildcards are letters": (AuditFilter(action="%"), 0),
    "NUL": (AuditFilter(actor="\0"), 0),
}


@pytest.mark.parametrize(("wanted", "count"), AUDIT_FILTERS.values(), ids=AUDIT_FILTERS.keys())
def test_audit_is_filtered(database: Database, maria: int, wanted: AuditFilter, count: int) -> None:
    assert len(list_audit(database, wanted, 10)) == count


def test_audit_is_read_page_by_page(database: Database, maria: int) -> None:
    first = list_audit(database, AuditFilter(), 1)
    second = list_audit(database, AuditFilter(), 1, before=first[0].id)
    assert [row.object for row in (*first, *second)] == ["maria", "admin"]
