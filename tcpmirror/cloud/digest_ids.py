"""Which digests were taken: each is merged once, however often it is sent."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from tcpmirror.cloud.schema import api_digests

_REMEMBERED: Final = 100_000  # a sensor sends one or two in ten seconds


def was_taken(connection: Connection, node_id: str, digest_id: str) -> bool:
    known = select(api_digests.c.received_ns).where(api_digests.c.node_id == node_id, api_digests.c.digest_id == digest_id)
    return connection.execute(known).first() is not None


def remember(connection: Connection, node_id: str, digest_id: str, now_ns: int) -> None:
    """Note that the digest is taken, and forget the oldest where there are too many."""
    connection.execute(insert(api_digests), {"node_id": node_id, "digest_id": digest_id, "received_ns": now_ns})
    count = connection.execute(select(func.count()).select_from(api_digests)).scalar_one()
    if count > _REMEMBERED:
        oldest = select(api_digests.c.received_ns).order_by(api_digests.c.received_ns).offset(count - _REMEMBERED).limit(1)
        connection.execute(delete(api_digests).where(api_digests.c.received_ns < oldest.scalar_subquery()))
