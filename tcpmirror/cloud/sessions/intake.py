"""Takes sensors' digests of sessions: merges them by session and day, each digest once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson
import zstandard
from sqlalchemy import delete, insert, select, update

from tcpmirror.cloud.bulk import chunks
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.digest_ids import remember, was_taken
from tcpmirror.cloud.schema import api_sessions
from tcpmirror.sessions.digest import DAY_NS, SessionDigest, merged, read_row, row_of

KEPT_NS: Final = 7 * DAY_NS
_CHUNK: Final = 400
_LIMIT: Final = 4 << 20


def take_digests(database: Database, node_id: str, digest_id: str, digests: Iterable[SessionDigest], now_ns: int) -> bool:
    """Merge *digests*; False if the digest was taken before. On return it is committed."""
    fresh = [digest for digest in merged(digests).values() if digest.last_ns >= now_ns - KEPT_NS]
    with database.writing() as connection:
        if was_taken(connection, node_id, digest_id):
            return False
        for some in chunks(fresh, _CHUNK):
            by_key = {key_of(digest.id, digest.day): digest for digest in some}
            stored = select(api_sessions.c.key, api_sessions.c.digest).where(api_sessions.c.key.in_(list(by_key)))
            for row in connection.execute(stored).all():
                whole = unpacked(row.digest)
                whole.merge(by_key.pop(row.key))
                changed = update(api_sessions).where(api_sessions.c.key == row.key)
                connection.execute(changed.values(**_row(whole)))
            if by_key:
                connection.execute(insert(api_sessions), [_row(digest) | {"key": key} for key, digest in by_key.items()])
        remember(connection, node_id, digest_id, now_ns)
    return True


def forget_old_sessions(database: Database, now_ns: int) -> None:
    """Take away the days of sessions whose last request is older than KEPT_NS."""
    with database.writing() as connection:
        connection.execute(delete(api_sessions).where(api_sessions.c.last_ns < now_ns - KEPT_NS))


def key_of(session: str, day: int) -> str:
    """Return what a session and day are called in links: ``0123456789abcdef-20654``."""
    return f"{session}-{day}"


def unpacked(raw: bytes) -> SessionDigest:
    return read_row(orjson.loads(zstandard.ZstdDecompressor().decompress(raw, max_output_size=_LIMIT)))


def _row(digest: SessionDigest) -> dict[str, Any]:
    return {
        "session": digest.id,
        "kind": digest.kind,
        "first_ns": digest.first_ns,
        "last_ns": digest.last_ns,
        "requests": digest.requests,
        "errors": digest.errors,
        "attacks": sum(digest.attacks.values()),
        "types": _listed(digest.attacks),
        "sources": _listed(digest.sources),
        "hosts": _listed(digest.hosts),
        "users": _listed(digest.users),
        "roles": _listed(digest.roles),
        "digest": zstandard.ZstdCompressor(level=3).compress(orjson.dumps(row_of(digest))),
    }


def _listed(values: Iterable[str]) -> str:
    """Return *values* one a line, with a line break around each, so that a whole one can be searched for."""
    return "\n" + "".join(f"{value}\n" for value in sorted(values))
