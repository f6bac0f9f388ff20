"""Takes sensors' digests: merges them into what is stored by path, each digest once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, case, func, insert, select, update

from tcpmirror.cloud.apis.packing import endpoint_key, packed, unpacked
from tcpmirror.cloud.bulk import chunks
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.digest_ids import remember, was_taken
from tcpmirror.cloud.schema import api_hosts, api_paths
from tcpmirror.discovery.digest import EndpointDigest, merged

HOSTS: Final = 2_000  # a scanner sends any Host it likes, though it has to be answered well
PATHS: Final = 20_000  # of one host


def take_digests(database: Database, node_id: str, digest_id: str, rows: Iterable[EndpointDigest], now_ns: int) -> bool:
    """Merge *rows* of a digest; False if it was taken before. On return it is committed."""
    found = merged(rows)
    with database.writing() as connection:
        if was_taken(connection, node_id, digest_id):
            return False
        by_host: dict[str, list[EndpointDigest]] = {}
        for digest in found.values():
            by_host.setdefault(digest.host, []).append(digest)
        for host, digests in by_host.items():
            if _note_host(connection, host, digests, now_ns):
                _merge(connection, host, digests)
        remember(connection, node_id, digest_id, now_ns)
    return True


def _note_host(connection: Connection, host: str, digests: list[EndpointDigest], now_ns: int) -> bool:
    """Say that there is news of *host*; False where there is no room for another host."""
    later = case((api_hosts.c.built_ns < now_ns, now_ns), else_=api_hosts.c.built_ns + 1)  # than the last building
    changed = update(api_hosts).where(api_hosts.c.host == host).values(changed_ns=later)
    if connection.execute(changed).rowcount:
        return True
    if connection.execute(select(func.count()).select_from(api_hosts)).scalar_one() >= HOSTS:
        return False
    first_ns = min(digest.first_ns for digest in digests)
    connection.execute(insert(api_hosts), {"host": host, "first_ns": first_ns, "changed_ns": now_ns, "built_ns": 0})
    return True


def _merge(connection: Connection, host: str, digests: list[EndpointDigest]) -> None:
    there = connection.execute(select(func.count()).where(api_paths.c.host == host)).scalar_one()
    by_key = {endpoint_key(digest): digest for digest in digests}
    keys = list(by_key)
    known: set[bytes] = set()
    for some in chunks(keys):
        stored = select(api_paths.c.key, api_paths.c.digest).where(api_paths.c.key.in_(some))
        for row in connection.execute(stored).all():
            whole = unpacked(row.digest)
            whole.merge(by_key[row.key])
            changed = update(api_paths).where(api_paths.c.key == row.key)
            connection.execute(changed.values(last_ns=whole.last_ns, digest=packed(whole)))
            known.add(row.key)
    fresh = [key for key in keys if key not in known][: max(0, PATHS - there)]
    if fresh:
        rows = [{"key": key, "host": host, "last_ns": by_key[key].last_ns, "digest": packed(by_key[key])} for key in fresh]
        connection.execute(insert(api_paths), rows)
