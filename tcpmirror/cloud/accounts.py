"""People who may look: accounts, passwords, sign-in with lock-out, browser sessions."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, insert, select

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import accounts, sessions
from tcpmirror.cloud.tokens import Role, digest

SECOND_NS: Final = 1_000_000_000
SESSION_NS: Final = 12 * 3600 * SECOND_NS  # one shift
FREE_FAILURES: Final = 5  # as most consoles; at one lock a minute a guesser gets 300 tries an hour
LOCK_NS: Final = 60 * SECOND_NS  # doubled at each further failure, to 15 minutes
_LONGEST_LOCK_NS: Final = 15 * 60 * SECOND_NS
_REMEMBERED: Final = 10_000  # names with failures; the oldest is forgotten
PASSWORD_LIMIT: Final = 1024  # characters; argon2 would take more, and time for it

_hasher = PasswordHasher()  # argon2id, RFC 9106's second recommended set
_NOBODY: Final = _hasher.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    name: str
    role: Role


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

    def check(self, name: str, password: str, now_ns: int) -> Account | None:
        """Return the account if *password* is its own, else None; Locked while sign-in for *name* pauses."""
        self._refuse_if_locked(name, now_ns)
        with self._database.reading() as connection:
            row = connection.execute(select(accounts).where(accounts.c.name == name[:65])).first()
        if not _verified(row.password_hash if row else _NOBODY, password) or row is None:
            self._count_failure(name, now_ns)
            return None
        with self._lock:
            self._failures.pop(name[:65], None)
        return Account(row.id, row.name, Role(row.role))

    def _refuse_if_locked(self, name: str, now_ns: int) -> None:
        with self._lock:
            failures = self._failures.get(name[:65])
        if failures is not None and now_ns < failures.until_ns:
            raise Locked(-(-(failures.until_ns - now_ns) // SECOND_NS))

    def _count_failure(self, name: str, now_ns: int) -> None:
        with self._lock:
            failures = self._failures.setdefault(name[:65], _Failures())
            self._failures.move_to_end(name[:65])
            failures.count += 1
            if failures.count >= FREE_FAILURES:
                failures.until_ns = now_ns + min(LOCK_NS << min(failures.count - FREE_FAILURES, 10), _LONGEST_LOCK_NS)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)


def _verified(password_hash: str, password: str) -> bool:
    try:
        return len(password) <= PASSWORD_LIMIT and _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def ensure_first_account(database: Database, password: str, now_ns: int, name: str = "admin") -> bool:
    """Make the administrator *name* with *password* if there is no account at all; return whether it was made."""
    with database.reading() as connection:
        if connection.execute(select(func.count()).select_from(accounts)).scalar_one():
            return False
    row = {"name": name, "role": Role.ADMIN, "password_hash": _hasher.hash(password), "created_ns": now_ns}
    with database.writing() as connection:
        connection.execute(insert(accounts), row)
    return True


def open_session(database: Database, account: Account, now_ns: int) -> str:
    """Return the secret of a new session; what is stored is its digest. Expired sessions are swept away."""
    secret = secrets.token_urlsafe(32)
    row = {"sha256": digest(secret), "account_id": account.id, "created_ns": now_ns, "expires_ns": now_ns + SESSION_NS}
    with database.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_ns < now_ns))
        connection.execute(insert(sessions), row)
    return secret


def account_of_session(database: Database, secret: str, now_ns: int) -> Account | None:
    """Return whose session *secret* is, None if it is nobody's or has expired."""
    statement = (
        select(accounts.c.id, accounts.c.name, accounts.c.role)
        .join(sessions, sessions.c.account_id == accounts.c.id)
        .where(sessions.c.sha256 == digest(secret), sessions.c.expires_ns > now_ns)
    )
    with database.reading() as connection:
        row = connection.execute(statement).first()
    return Account(row.id, row.name, Role(row.role)) if row is not None else None


def close_session(database: Database, secret: str) -> None:
    with database.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.sha256 == digest(secret)))
