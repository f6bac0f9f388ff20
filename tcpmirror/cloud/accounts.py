"""The accounts of people: made, changed, disabled, removed. There is always an administrator left who can sign in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tcpmirror.cloud.audit import SYSTEM, Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.schema import accounts, sessions

PASSWORD_LIMIT: Final = 1024  # characters; argon2 would take more, and time for it
# NIST SP 800-63B-4 asks for 15 where the password is the only factor, and for no rules about what is in it.
SHORTEST_PASSWORD: Final = 15

_hasher = PasswordHasher()  # argon2id, RFC 9106's second recommended set
_NOBODY: Final = _hasher.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    name: str
    role: Role


class AccountProblem(Exception):
    """A change that cannot be made; its text says why."""


def verified_account(database: Database, name: str, password: str) -> Account | None:
    """Return the account *name* if *password* is its own and it is not disabled; as slow for names that nobody has."""
    with database.reading() as connection:
        row = connection.execute(select(accounts).where(accounts.c.name == name[:65])).first()
    if not _verified(row.password_hash if row else _NOBODY, password) or row is None or row.disabled:
        return None
    return Account(row.id, row.name, Role(row.role))


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
        record(connection, SYSTEM, "account.create", name, {"role": Role.ADMIN}, now_ns)
    return True


def list_accounts(database: Database) -> list[Row[Any]]:
    """Return every account without its password's hash, by name."""
    columns = [column for column in accounts.c if column.name != "password_hash"]
    with database.reading() as connection:
        return list(connection.execute(select(*columns).order_by(accounts.c.name)).all())


def create_account(database: Database, name: str, role: Role, password: str, actor: Actor, now_ns: int) -> int:
    """Return the id of a new account; AccountProblem if the name is taken or the password too short."""
    row = {"name": name, "role": role, "password_hash": _hash(password), "created_ns": now_ns}
    with database.writing() as connection:
        if connection.execute(select(accounts.c.id).where(accounts.c.name == name)).first():
            raise AccountProblem(f"name: {name!r} is taken.")
        made = connection.execute(insert(accounts).returning(accounts.c.id), [row]).scalar_one()
        record(connection, actor, "account.create", name, {"role": role}, now_ns)
    return int(made)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What is to be different; None leaves it as it is."""

    role: Role | None = None
    disabled: bool | None = None
    password: str | None = None


def change_account(database: Database, account_id: int, change: AccountChange, actor: Actor, now_ns: int) -> bool:
    """Make *change*; return whether there is such an account. Another role, password or being disabled ends its sessions.

    AccountProblem if nobody could administer afterwards, or the password is too short.
    """
    with database.writing() as connection:
        row = connection.execute(select(accounts).where(accounts.c.id == account_id)).first()
        if row is None:
            return False
        values = _changed(row, change)
        if not values:
            return True
        connection.execute(update(accounts).where(accounts.c.id == account_id).values(**values))
        _require_administrator(connection)
        if values.get("disabled") != 0 or len(values) > 1:
            connection.execute(delete(sessions).where(sessions.c.account_id == account_id))
        told = {key: value for key, value in values.items() if key != "password_hash"}
        if change.password is not None:
            told["password"] = "changed"
        record(connection, actor, "account.change", row.name, told, now_ns)
    return True


def _changed(row: Row[Any], change: AccountChange) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if change.role is not None and change.role != row.role:
        values["role"] = change.role
    if change.disabled is not None and change.disabled != bool(row.disabled):
        values["disabled"] = int(change.disabled)
    if change.password is not None:
        values["password_hash"] = _hash(change.password)
    return values


def change_own_password(database: Database, account: Account, new: str, kept: bytes, actor: Actor, now_ns: int) -> None:
    """Give *account* the password *new*; end its sessions but that of the digest *kept*. AccountProblem: it is too short."""
    hashed = _hash(new)
    others = (sessions.c.account_id == account.id, sessions.c.sha256 != kept)
    with database.writing() as connection:
        connection.execute(update(accounts).where(accounts.c.id == account.id).values(password_hash=hashed))
        connection.execute(delete(sessions).where(*others))
        record(connection, actor, "account.change", account.name, {"password": "changed"}, now_ns)


def remove_account(database: Database, account_id: int, actor: Actor, now_ns: int) -> bool:
    """Remove an account with its sessions; return whether there was one. AccountProblem if nobody could administer then."""
    with database.writing() as connection:
        gone = connection.execute(delete(accounts).where(accounts.c.id == account_id).returning(accounts.c.name)).scalar()
        if gone is None:
            return False
        _require_administrator(connection)
        record(connection, actor, "account.remove", gone, {}, now_ns)
    return True


def _require_administrator(connection: Connection) -> None:
    able = select(accounts.c.id).where(accounts.c.role == Role.ADMIN, accounts.c.disabled == 0)
    if connection.execute(able.limit(1)).first() is None:
        raise AccountProblem("The last administrator cannot be disabled, removed or given another role.")


def _hash(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= PASSWORD_LIMIT:
        raise AccountProblem(f"password: {SHORTEST_PASSWORD} to {PASSWORD_LIMIT} characters are needed.")
    return _hasher.hash(password)
