"""Signing in: passwords checked with a lock-out against guessing, and the browser sessions that this opens."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select

from tcpmirror.cloud.accounts import Account, verified_account
from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.schema import accounts, sessions
from tcpmirror.cloud.tokens import digest

SECOND_NS: Final = 1_000_000_000
SESSION_NS: Final = 12 * 3600 * SECOND_NS  # one shift
FREE_FAILURES: Final = 5  # as most consoles; at one lock a minute a guesser gets 300 tries an hour
LOCK_NS: Final = 60 * SECOND_NS  # doubled at each further failure, to 15 minutes
_LONGEST_LOCK_NS: Final = 15 * 60 * SECOND_NS
_REMEMBERED: Final = 10_000  # names with failures; the oldest is forgotten
_SESSION_NAME: Final = 16  # hexadecimal digits of the digest by which a session is spoken of; they open nothing


class Locked(Exception):
    """Sign-in for this name pauses; ``seconds`` say for how long."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"locked for {seconds} s")


@dataclass(slots=True)
class _Failures:
    count: int = 0
    until_ns: int = 0


class SignIn:
    """Checks passwords, and slows down guessing.

    Names that no account has are checked, counted and locked alike, so neither answer nor time tells them apart.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, name: str, password: str, now_ns: int, address: str = "") -> Account | None:
        """Return the account if *password* is its own, else None; Locked while sign-in for *name* pauses."""
        self._refuse_if_locked(name, now_ns)
        account = verified_account(self._database, name, password)
        if account is None:
            if self._count_failure(name, now_ns):
                self._tell_of_lock(name, address, now_ns)
            return None
        with self._lock:
            self._failures.pop(name[:65], None)
        return account

    def _refuse_if_locked(self, name: str, now_ns: int) -> None:
        with self._lock:
            failures = self._failures.get(name[:65])
        if failures is not None and now_ns < failures.until_ns:
            raise Locked(-(-(failures.until_ns - now_ns) // SECOND_NS))

    def _count_failure(self, name: str, now_ns: int) -> bool:
        """Count a failure; return whether the name is locked now."""
        with self._lock:
            failures = self._failures.setdefault(name[:65], _Failures())
            self._failures.move_to_end(name[:65])
            failures.count += 1
            if failures.count >= FREE_FAILURES:
                failures.until_ns = now_ns + min(LOCK_NS << min(failures.count - FREE_FAILURES, 10), _LONGEST_LOCK_NS)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)
            return failures.count >= FREE_FAILURES

    def _tell_of_lock(self, name: str, address: str, now_ns: int) -> None:
        with self._database.writing() as connection:
            record(connection, Actor("nobody", address), "session.lock", name[:65], {}, now_ns)


def open_session(database: Database, account: Account, now_ns: int, address: str = "", browser: str = "") -> str:
    """Return the secret of a new session; what is stored is its digest."""
    secret = secrets.token_urlsafe(32)
    row = {
        "sha256": digest(secret),
        "account_id": account.id,
        "created_ns": now_ns,
        "expires_ns": now_ns + SESSION_NS,
        "address": address,
        "browser": browser[:256],
        "last_used_ns": now_ns,
    }
    with database.writing() as connection:
        connection.execute(insert(sessions), row)
        record(connection, Actor(account.name, address), "session.open", account.name, {}, now_ns)
    return secret


def account_of_session(database: Database, secret: str, now_ns: int) -> Account | None:
    """Return whose session *secret* is, None if it is nobody's or has expired."""
    statement = (
        select(accounts.c.id, accounts.c.name, accounts.c.role)
        .join(sessions, sessions.c.account_id == accounts.c.id)
        .where(sessions.c.sha256 == digest(secret), sessions.c.expires_ns > now_ns, accounts.c.disabled == 0)
    )
    with database.reading() as connection:
        row = connection.execute(statement).first()
    return Account(row.id, row.name, Role(row.role)) if row is not None else None


def close_session(database: Database, secret: str) -> None:
    with database.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.sha256 == digest(secret)))


def session_name(sha256: bytes) -> str:
    return sha256.hex()[:_SESSION_NAME]


def list_sessions(database: Database, now_ns: int, account_id: int | None = None) -> list[Row[Any]]:
    """Return the sessions that hold, with ``account`` (its name), of one account or of all, the one opened last first."""
    statement = (
        select(sessions, accounts.c.name.label("account"))
        .join(accounts, accounts.c.id == sessions.c.account_id)
        .where(sessions.c.expires_ns > now_ns)
        .order_by(sessions.c.created_ns.desc())
    )
    if account_id is not None:
        statement = statement.where(sessions.c.account_id == account_id)
    with database.reading() as connection:
        return list(connection.execute(statement).all())


def revoke_session(database: Database, name: str, actor: Actor, now_ns: int, account_id: int | None = None) -> bool:
    """End the session called *name* (of *account_id* alone, if given); return whether there was one."""
    for row in list_sessions(database, now_ns, account_id):
        if session_name(row.sha256) == name:
            with database.writing() as connection:
                connection.execute(delete(sessions).where(sessions.c.sha256 == row.sha256))
                record(connection, actor, "session.revoke", row.account, {"session": name}, now_ns)
            return True
    return False
