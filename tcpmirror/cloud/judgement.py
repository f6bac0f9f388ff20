"""What people make of an attack: its status, who looks after it, what they say about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import accounts, attacks, comments

COMMENT_LIMIT: Final = 4_000  # characters
_SHOWN: Final = 500  # comments


class Status(StrEnum):
    """Where an attack stands. What comes in later changes none of them."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    CLOSED = "closed"
    FALSE_POSITIVE = "false_positive"


class NoSuchAccount(Exception):
    """An assignee that has no account here; its text is the name."""


def judge(
    database: Database, attack_id: int, status: Status | None, assignee: str | None, actor: Actor, now_ns: int
) -> bool:
    """Give an attack a *status* or an *assignee* ("" is nobody; None leaves it); return whether there is such an attack."""
    with database.writing() as connection:
        row = connection.execute(select(attacks.c.status, attacks.c.assignee).where(attacks.c.id == attack_id)).first()
        if row is None:
            return False
        if assignee and not connection.execute(select(accounts.c.id).where(accounts.c.name == assignee)).first():
            raise NoSuchAccount(assignee)
        wanted = {"status": status, "assignee": assignee}
        changed = {name: value for name, value in wanted.items() if value is not None and value != getattr(row, name)}
        if changed:
            connection.execute(update(attacks).where(attacks.c.id == attack_id).values(**changed))
            record(connection, actor, "attack.judge", str(attack_id), changed, now_ns)
    return True


def comment(database: Database, attack_id: int, text: str, actor: Actor, now_ns: int) -> int | None:
    """Return the id of a new comment on an attack, None if there is no such attack."""
    with database.writing() as connection:
        if connection.execute(select(attacks.c.id).where(attacks.c.id == attack_id)).first() is None:
            return None
        row = {"attack_id": attack_id, "time_ns": now_ns, "author": actor.name, "text": text}
        made = connection.execute(insert(comments).returning(comments.c.id), [row]).scalar_one()
        record(connection, actor, "attack.comment", str(attack_id), {"comment": made}, now_ns)
    return int(made)


def list_comments(database: Database, attack_id: int) -> list[Row[Any]]:
    """Return the newest comments on an attack, oldest of them first."""
    newest = select(comments).where(comments.c.attack_id == attack_id).order_by(comments.c.id.desc()).limit(_SHOWN)
    with database.reading() as connection:
        return list(reversed(connection.execute(newest).all()))
