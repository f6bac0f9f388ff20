"""API tokens: shown once, stored as SHA-256 (they are random, so a slow hash would protect nothing)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select

from tcpmirror.cloud.audit import SYSTEM, Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.schema import tokens


@dataclass(frozen=True, slots=True)
class KnownToken:
    id: int
    name: str
    role: Role


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def create_token(
    database: Database, name: str, role: Role, now_ns: int, actor: Actor = SYSTEM, expires_ns: int | None = None
) -> str:
    """Return a new token; it cannot be read again. From *expires_ns* on it is not valid; None: it stays so."""
    token = f"tcpm_{role}_{secrets.token_urlsafe(32)}"
    row = {"name": name, "role": role, "sha256": digest(token), "created_ns": now_ns, "created_by": actor.name}
    with database.writing() as connection:
        connection.execute(insert(tokens), row | {"expires_ns": expires_ns})
        record(connection, actor, "token.create", name, {"role": role, "expires_ns": expires_ns}, now_ns)
    return token


def ensure_token(database: Database, token: str, name: str, role: Role, now_ns: int) -> None:
    """Make *token* valid for *role*; nothing happens if it is already."""
    with database.writing() as connection:
        stored = connection.execute(select(tokens.c.role).where(tokens.c.sha256 == digest(token))).scalar()
        if stored is None:
            row = {"name": name, "role": role, "sha256": digest(token), "created_ns": now_ns, "created_by": SYSTEM.name}
            connection.execute(insert(tokens), row)


def known_token(database: Database, token: str, now_ns: int) -> KnownToken | None:
    """Return what *token* stands for, None if it is not valid.

    The look-up is by digest: its timing tells about digests only, and those cannot be chosen.
    """
    valid = or_(tokens.c.expires_ns.is_(None), tokens.c.expires_ns > now_ns)
    columns = select(tokens.c.id, tokens.c.name, tokens.c.role)
    with database.reading() as connection:
        row = connection.execute(columns.where(tokens.c.sha256 == digest(token), valid)).first()
    return KnownToken(row.id, row.name, Role(row.role)) if row is not None else None


def list_tokens(database: Database) -> list[Row[Any]]:
    """Return every token without what would let anyone use it, newest first."""
    columns = [column for column in tokens.c if column.name != "sha256"]
    with database.reading() as connection:
        return list(connection.execute(select(*columns).order_by(tokens.c.id.desc())).all())


def revoke_token(database: Database, token_id: int, actor: Actor, now_ns: int) -> bool:
    """Make token *token_id* invalid at once; return whether there was one."""
    with database.writing() as connection:
        gone = connection.execute(delete(tokens).where(tokens.c.id == token_id).returning(tokens.c.name)).scalar()
        if gone is None:
            return False
        record(connection, actor, "token.revoke", gone, {"id": token_id}, now_ns)
    return True
