"""Who sends the attacks: what is known of addresses, and the lists they are on; who uses the applications."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table

from tcpmirror.cloud.schema.columns import Id, TrafficText, metadata

# Every source address that is one, with the number by which networks are searched: 32 hexadecimal digits of its 128 bits,
# IPv4 in ::ffff:0:0/96; what is known of it (see `enrichment.source`), and which of the lists of `source_entries` it is on.
addresses = Table(
    "addresses",
    metadata,
    Column("address", TrafficText, primary_key=True),
    Column("number", TrafficText, nullable=False),
    Column("country", TrafficText, nullable=False, server_default=""),
    Column("network", BigInteger, nullable=False, server_default="0"),
    Column("network_name", TrafficText, nullable=False, server_default=""),
    Column("kinds", TrafficText, nullable=False, server_default=""),  # each between blanks
    Column("mark", TrafficText, nullable=False, server_default=""),  # allow, deny, gray, or none of them
    Index("addresses_by_number", "number", "address"),
    sqlite_with_rowid=False,
)
_MARKED: Final = addresses.c.mark != ""
Index("addresses_by_mark", addresses.c.mark, addresses.c.address, sqlite_where=_MARKED, postgresql_where=_MARKED)

# The allow, deny and gray lists. ``low`` and ``high``: numbers of a network's addresses, as in `addresses`; else empty.
source_entries = Table(
    "source_entries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("list", TrafficText, nullable=False),
    Column("kind", TrafficText, nullable=False),
    Column("value", TrafficText, nullable=False),
    Column("low", TrafficText, nullable=False),
    Column("high", TrafficText, nullable=False),
    Column("reason", TrafficText, nullable=False),
    Column("expires_ns", BigInteger),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", TrafficText, nullable=False),
    Index("source_entries_by_value", "kind", "value", unique=True),
    sqlite_autoincrement=True,
)

# Sessions of those who use the observed applications, by day; lists have one value a line (`sessions.intake`).
api_sessions = Table(
    "api_sessions",
    metadata,
    Column("key", TrafficText, primary_key=True),
    Column("session", TrafficText, nullable=False),
    Column("kind", TrafficText, nullable=False),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("attacks", BigInteger, nullable=False),
    Column("types", TrafficText, nullable=False),
    Column("sources", TrafficText, nullable=False),
    Column("hosts", TrafficText, nullable=False),
    Column("users", TrafficText, nullable=False),
    Column("roles", TrafficText, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("api_sessions_by_time", "last_ns", "key"),
    Index("api_sessions_by_attacks", "attacks", "key"),
    Index("api_sessions_by_name", "session"),
)
