"""API tokens: shown once, stored as SHA-256 (they are random, so a slow hash would protect nothing)."""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum

from sqlalchemy import insert, select

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import tokens


class Role(StrEnum):
    """What a caller may do. Deploy registers nodes and nothing else; admin does what read does and manages access."""

    DEPLOY = "deploy"
    READ = "read"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        return self is needed or (self is Role.ADMIN and needed is Role.READ)


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def create_token(database: Database, name: str, role: Role, now_ns: int) -> str:
    """Return a new token; it cannot be read again."""
    token = f"tcpm_{role}_{secrets.token_urlsafe(32)}"
    ensure_token(database, token, name, role, now_ns)
    return token


def ensure_token(database: Database, token: str, name: str, role: Role, now_ns: int) -> None:
    """Make *token* valid for *role*; nothing happens if it is already."""
    with database.writing() as connection:
        stored = connection.execute(select(tokens.c.role).where(tokens.c.sha256 == digest(token))).scalar()
        if stored is None:
            connection.execute(insert(tokens), {"name": name, "role": role, "sha256": digest(token), "created_ns": now_ns})


def role_of_token(database: Database, token: str) -> Role | None:
    """Return the role of *token*, None if it is not valid.

    The look-up is by digest: its timing tells about digests only, and those cannot be chosen.
    """
    with database.reading() as connection:
        role = connection.execute(select(tokens.c.role).where(tokens.c.sha256 == digest(token))).scalar()
    return Role(role) if role is not None else None
