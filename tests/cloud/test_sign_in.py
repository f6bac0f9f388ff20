from __future__ import annotations

import pytest
from sqlalchemy import select

from tcpmirror.cloud.accounts import ensure_first_account
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import accounts, sessions
from tcpmirror.cloud.sign_in import (
    FREE_FAILURES,
    LOCK_NS,
    SESSION_NS,
    Locked,
    SignIn,
    account_of_session,
    close_session,
    open_session,
)
from tests.cloud.running import NOON


@pytest.fixture
def sign_in(database: Database) -> SignIn:
    ensure_first_account(database, "right", NOON)
    return SignIn(database)


def test_first_account_is_made_once(database: Database) -> None:
    assert ensure_first_account(database, "one", NOON)
    assert not ensure_first_account(database, "two", NOON)
    assert SignIn(database).check("admin", "one", NOON)
    assert SignIn(database).check("admin", "two", NOON) is None


def test_password_is_stored_as_argon2(database: Database) -> None:
    ensure_first_account(database, "secret-word", NOON)
    with database.reading() as connection:
        stored = connection.execute(select(accounts.c.password_hash)).scalar_one()
    assert stored.startswith("$argon2id$") and "secret-word" not in stored


WRONG = {
    "password": ("admin", "wrong"),
    "empty": ("admin", ""),
    "name": ("nobody", "right"),
    "case of name": ("Admin", "right"),
    "no name": ("", "right"),
    "NUL": ("admin\x00", "right"),
    "huge": ("admin", "r" * 100_000),
    "injection": ("admin' --", "right"),
}


@pytest.mark.parametrize(("name", "password"), WRONG.values(), ids=WRONG.keys())
def test_wrong_is_nobody(sign_in: SignIn, name: str, password: str) -> None:
    assert sign_in.check(name, password, NOON) is None


@pytest.mark.parametrize("name", ["admin", "nobody"])
def test_name_is_locked_after_failures_whether_it_exists_or_not(sign_in: SignIn, name: str) -> None:
    for _ in range(FREE_FAILURES):
        assert sign_in.check(name, "wrong", NOON) is None
    with pytest.raises(Locked) as locked:
        sign_in.check(name, "right", NOON + LOCK_NS - 1)
    assert locked.value.seconds == 1
    assert bool(sign_in.check(name, "right", NOON + LOCK_NS)) == (name == "admin")


def test_lock_grows_and_success_forgets(sign_in: SignIn) -> None:
    for _ in range(FREE_FAILURES):
        sign_in.check("admin", "wrong", NOON)
    later = NOON + LOCK_NS
    assert sign_in.check("admin", "wrong", later) is None
    with pytest.raises(Locked):
        sign_in.check("admin", "right", later + 2 * LOCK_NS - 1)
    assert sign_in.check("admin", "right", later + 2 * LOCK_NS)
    assert sign_in.check("admin", "wrong", later + 2 * LOCK_NS) is None


def test_session_holds_until_it_expires_or_is_closed(database: Database, sign_in: SignIn) -> None:
    account = sign_in.check("admin", "right", NOON)
    assert account is not None
    one, two = (open_session(database, account, NOON) for _ in range(2))
    assert account_of_session(database, one, NOON + SESSION_NS - 1) == account
    assert account_of_session(database, one, NOON + SESSION_NS) is None
    close_session(database, one)
    assert account_of_session(database, one, NOON) is None
    assert account_of_session(database, two, NOON) == account
    assert account_of_session(database, "", NOON) is None


def test_session_secret_is_not_stored(database: Database, sign_in: SignIn) -> None:
    account = sign_in.check("admin", "right", NOON)
    assert account is not None
    secret = open_session(database, account, NOON)
    with database.reading() as connection:
        stored = connection.execute(select(sessions.c.sha256)).scalar_one()
    assert len(stored) == 32 and secret.encode() not in stored
