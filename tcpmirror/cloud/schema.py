"""The tables. `migrations/` makes them; a test proves that both say the same.

Times are nanoseconds since 1970 (UTC). Columns of type `TrafficText` hold what strangers sent.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

NUL_SIGN: Final = "\u2400"


class TrafficText(TypeDecorator[str]):
    """Text from traffic; U+0000, which PostgreSQL cannot store in text, is kept as U+2400 (the sign that pictures it).

    Compared byte by byte, as SQLite does; PostgreSQL would else follow the language that its database was made for.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", NUL_SIGN) if value is not None else None


class Packed(TypeDecorator[Any]):
    """Lists and maps as JSON text, which every database stores alike."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str:
        return orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return orjson.loads(value) if value is not None else None


# SQLite makes a row id of INTEGER PRIMARY KEY only, PostgreSQL wants 64 bits.
_Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

nodes = Table(
    "nodes",
    metadata,
    Column("id", TrafficText, primary_key=True),
    Column("secret_sha256", LargeBinary, nullable=False),
    Column("name", TrafficText, nullable=False),
    Column("group_name", TrafficText, nullable=False),
    Column("version", TrafficText, nullable=False),
    Column("mode", TrafficText, nullable=False),
    Column("hostname", TrafficText, nullable=False),
    Column("registered_ns", BigInteger, nullable=False),
    Column("last_seen_ns", BigInteger, nullable=False),
    Column("stats", Packed, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", TrafficText, nullable=False),
    Column("role", TrafficText, nullable=False),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", TrafficText, nullable=False, server_default=""),
    Column("expires_ns", BigInteger),
    Column("last_used_ns", BigInteger),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", TrafficText, nullable=False, unique=True),
    Column("role", TrafficText, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("disabled", Integer, nullable=False, server_default="0"),  # 1: may not sign in
)

sessions = Table(
    "sessions",
    metadata,
    Column("sha256", LargeBinary, primary_key=True),
    Column("account_id", _Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("address", TrafficText, nullable=False, server_default=""),
    Column("browser", TrafficText, nullable=False, server_default=""),
    Column("last_used_ns", BigInteger, nullable=False, server_default="0"),
)

# Who changed what. The newest are kept (`housekeeping`); nobody can change a row.
audit = Table(
    "audit",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("time_ns", BigInteger, nullable=False),
    Column("actor", TrafficText, nullable=False),
    Column("address", TrafficText, nullable=False),
    Column("action", TrafficText, nullable=False),
    Column("object", TrafficText, nullable=False),
    Column("details", Packed, nullable=False),
    sqlite_autoincrement=True,
)

batches = Table(
    "batches",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("node_id", TrafficText, nullable=False),
    Column("batch_id", TrafficText, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("quarantined", Packed, nullable=False),
    Column("received_ns", BigInteger, nullable=False),
    Index("batches_by_name", "node_id", "batch_id", unique=True),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("node_id", TrafficText, nullable=False),
    Column("batch_id", TrafficText, nullable=False),
    Column("position", Integer, nullable=False),
    Column("reason", TrafficText, nullable=False),
    Column("record", TrafficText, nullable=False),
    Column("received_ns", BigInteger, nullable=False),
)

# The two blobs stand last: SQLite then reads the other columns without touching their overflow pages.
reports = Table(
    "reports",
    metadata,
    Column("id", TrafficText, primary_key=True),
    Column("node_id", TrafficText, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger),
    Column("client", TrafficText, nullable=False),
    Column("server", TrafficText, nullable=False),
    Column("real_ip", TrafficText, nullable=False),
    Column("encapsulation", TrafficText, nullable=False),
    Column("protocol", TrafficText, nullable=False),
    Column("method", TrafficText),
    Column("host", TrafficText),
    Column("uri", TrafficText),
    Column("status", Integer),
    Column("request_bytes", BigInteger, nullable=False),
    Column("response_bytes", BigInteger, nullable=False),
    Column("application", BigInteger, nullable=False),
    Column("anomalies", Packed, nullable=False),
    Column("findings", Packed, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Index("reports_by_time", "time_ns", "id"),
    Index("reports_by_source", "real_ip", "time_ns"),
)

# Ids are never given twice (autoincrement): a link to an attack that has expired must not open another one.
attacks = Table(
    "attacks",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("type", TrafficText, nullable=False),
    Column("point", Packed, nullable=False),
    Column("parameter", TrafficText, nullable=False),
    Column("host", TrafficText, nullable=False),
    Column("path", TrafficText, nullable=False),
    Column("method", TrafficText),
    Column("server", TrafficText, nullable=False),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("payloads", BigInteger, nullable=False),
    Column("sources", BigInteger, nullable=False),
    Column("last_source", TrafficText, nullable=False),
    Column("last_payload", TrafficText, nullable=False),
    Column("last_status", Integer),
    Column("confidence", Float, nullable=False),
    # An incident is an attack some hit of which has evidence of success.
    Column("evidence_hits", BigInteger, nullable=False, server_default="0"),
    Column("evidence", TrafficText, nullable=False, server_default=""),  # of the newest hit that has any
    Column("status", TrafficText, nullable=False, server_default="open"),
    Column("assignee", TrafficText, nullable=False, server_default=""),
    # What `traits.joined` makes of the hits, and the smallest and largest response body among them.
    Column("traits", TrafficText, nullable=False, server_default=""),
    Column("response_least", BigInteger, nullable=False, server_default="0"),
    Column("response_most", BigInteger, nullable=False, server_default="0"),
    Column("counted", BigInteger, nullable=False, server_default="0"),  # of its hits: those that are not stored
    Index("attacks_by_key", "key", "last_ns"),
    Index("attacks_by_time", "last_ns", "id"),
    Index("attacks_by_type", "type", "last_ns"),
    Index("attacks_by_hits", "hits", "id"),
    Index("attacks_by_start", "first_ns", "id"),
    Index("attacks_by_confidence", "confidence", "id"),
    sqlite_autoincrement=True,
)
_PROVEN: Final = attacks.c.evidence_hits > 0
Index("incidents_by_time", attacks.c.last_ns, attacks.c.id, sqlite_where=_PROVEN, postgresql_where=_PROVEN)

# Counters of behaviour, merged over sensors. ``base``: requests above the threshold in slots that are gone; ``marked``: all;
# ``since``: those before the attack ``attack_id``, which goes on until ``attack_ns``.
behavior_counters = Table(
    "behavior_counters",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("last_ns", BigInteger, nullable=False),
    Column("base", BigInteger, nullable=False),
    Column("marked", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("subject", TrafficText, nullable=False),
    Column("attack_id", _Id),
    Column("attack_ns", BigInteger, nullable=False),
    Column("counter", LargeBinary, nullable=False),
    Index("behavior_counters_of_attack", "attack_id"),
    Index("behavior_counters_by_time", "last_ns"),
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

hits = Table(
    "hits",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("attack_id", _Id, ForeignKey("attacks.id", ondelete="CASCADE"), nullable=False),
    Column("report_id", TrafficText, ForeignKey("reports.id", ondelete="CASCADE"), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("type", TrafficText, nullable=False),
    Column("point", Packed, nullable=False),
    Column("payloads", Packed, nullable=False),
    Column("rule", TrafficText, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("evidence", TrafficText, nullable=False, server_default=""),
    Index("hits_of_attack", "attack_id", "time_ns", "id"),
    Index("hits_of_report", "report_id"),
    sqlite_autoincrement=True,
)

# The ids (16 bytes) of reports none of whose hits is stored, the newest of them: they must not be counted again.
counted_reports = Table(
    "counted_reports",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("report_id", LargeBinary, nullable=False),
    Index("counted_reports_by_name", "report_id"),
    sqlite_autoincrement=True,
)

# How many hits of an attack had each source, payload and response code. A code is written in decimal digits; "": none seen.
facets = Table(
    "facets",
    metadata,
    Column("attack_id", _Id, ForeignKey("attacks.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", TrafficText, primary_key=True),
    Column("value", TrafficText, primary_key=True),
    Column("hits", BigInteger, nullable=False),
    Index("facets_by_value", "kind", "value", "attack_id"),
    sqlite_with_rowid=False,
)

comments = Table(
    "comments",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("attack_id", _Id, ForeignKey("attacks.id", ondelete="CASCADE"), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("author", TrafficText, nullable=False),
    Column("text", TrafficText, nullable=False),
    Index("comments_of_attack", "attack_id", "id"),
)

# What nodes are told to ignore. An attack may be gone before the entry that it led to, so nothing refers to it.
ignore_rules = Table(
    "ignore_rules",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", TrafficText, nullable=False, unique=True),
    Column("entry", Packed, nullable=False),  # the fields of settings.tree.Ignore
    Column("reason", TrafficText, nullable=False),
    Column("attack_id", _Id),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", TrafficText, nullable=False),
    sqlite_autoincrement=True,
)

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
    Column("id", _Id, primary_key=True),
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

# Sums in buckets of five minutes, numbered since 1970: see `trends`.
hit_counts = Table(
    "hit_counts",
    metadata,
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("type", TrafficText, primary_key=True),
    Column("hits", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# ``coverage``: the least that was told; null: none was.
traffic = Table(
    "traffic",
    metadata,
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("node_id", TrafficText, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("coverage", Float),
    sqlite_with_rowid=False,
)

# What there is one of: the key that rules are signed with, the number of their last change.
facts = Table(
    "facts",
    metadata,
    Column("name", TrafficText, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

rule_packs = Table(
    "rule_packs",
    metadata,
    Column("name", TrafficText, primary_key=True),
    Column("text", TrafficText, nullable=False),
    Column("rules", Integer, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
    Column("changed_by", TrafficText, nullable=False),
)

# What nodes are given over their files: YAML by scope (`all`, `group:NAME`, `node:ID`).
node_settings = Table(
    "node_settings",
    metadata,
    Column("scope", TrafficText, primary_key=True),
    Column("text", TrafficText, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
    Column("changed_by", TrafficText, nullable=False),
)

# The inventory of APIs. A digest is the JSON of `discovery.digest`, compressed by zstd; a key is the hash of what it is of.
api_digests = Table(
    "api_digests",
    metadata,
    Column("node_id", TrafficText, primary_key=True),
    Column("digest_id", TrafficText, primary_key=True),
    Column("received_ns", BigInteger, nullable=False),
    Index("api_digests_by_time", "received_ns"),
)

api_hosts = Table(
    "api_hosts",
    metadata,
    Column("host", TrafficText, primary_key=True),
    Column("first_ns", BigInteger, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),  # when digests of it came
    Column("built_ns", BigInteger, nullable=False),  # when its endpoints were made of them
)

# What sensors told, by path as it came: the endpoints are made of these.
api_paths = Table(
    "api_paths",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("host", TrafficText, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("api_paths_of_host", "host"),
)

api_endpoints = Table(
    "api_endpoints",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("host", TrafficText, nullable=False),
    Column("method", TrafficText, nullable=False),
    Column("path", TrafficText, nullable=False),
    Column("template", Packed, nullable=False),
    Column("kind", TrafficText, nullable=False),
    Column("operation", TrafficText, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("found_ns", BigInteger, nullable=False),  # when it came into the inventory
    Column("changed_ns", BigInteger, nullable=False),  # when its parameters last changed; 0: never
    Column("risk", Integer, nullable=False),
    Column("sensitive", TrafficText, nullable=False),  # classes, each between blanks
    Column("auth_state", TrafficText, nullable=False),
    Column("parameters", Integer, nullable=False),
    Column("rogue", TrafficText, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("api_endpoints_by_key", "key", unique=True),
    Index("api_endpoints_of_host", "host", "id"),
    Index("api_endpoints_by_time", "last_ns", "id"),
    Index("api_endpoints_by_risk", "risk", "id"),
    sqlite_autoincrement=True,
)

api_changes = Table(
    "api_changes",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("time_ns", BigInteger, nullable=False),
    Column("host", TrafficText, nullable=False),
    Column("method", TrafficText, nullable=False),
    Column("path", TrafficText, nullable=False),
    Column("operation", TrafficText, nullable=False),
    Column("change", TrafficText, nullable=False),
    Column("details", Packed, nullable=False),
    Index("api_changes_by_host", "host", "id"),
    sqlite_autoincrement=True,
)

# Templates: what was learned stays, what the operator says goes before it.
api_templates = Table(
    "api_templates",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("host", TrafficText, nullable=False),
    Column("source", TrafficText, nullable=False),
    Column("template", Packed, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Index("api_templates_by_key", "key", unique=True),
    Index("api_templates_of_host", "host"),
)

api_specifications = Table(
    "api_specifications",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("host", TrafficText, nullable=False),
    Column("name", TrafficText, nullable=False),
    Column("version", TrafficText, nullable=False),
    Column("operations", Integer, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("enforced", Boolean, nullable=False, server_default=false()),  # nodes compare requests with it
    Index("api_specifications_of_host", "host", "name", "id"),
    sqlite_autoincrement=True,
)

mask_rules = Table(
    "mask_rules",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", TrafficText, nullable=False, unique=True),
    Column("entry", Packed, nullable=False),  # the fields of settings.tree.Mask
    Column("reason", TrafficText, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", TrafficText, nullable=False),
    sqlite_autoincrement=True,
)

vulnerabilities = Table(
    "vulnerabilities",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", LargeBinary, nullable=False),  # a hash of the weakness's own
    Column("kind", TrafficText, nullable=False),
    Column("type", TrafficText, nullable=False),
    Column("severity", Integer, nullable=False),  # index into vulns.catalog.SEVERITIES
    Column("host", TrafficText, nullable=False),
    Column("method", TrafficText, nullable=False),
    Column("path", TrafficText, nullable=False),
    Column("subject", TrafficText, nullable=False),
    Column("status", TrafficText, nullable=False),
    Column("is_proven", Boolean, nullable=False),  # else it waits for more marks and is not shown
    Column("count", BigInteger, nullable=False),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("found_ns", BigInteger, nullable=False),
    Column("judged_ns", BigInteger, nullable=False),  # when its status was last changed; 0: never
    Column("judged_by", TrafficText, nullable=False),
    Column("comment", TrafficText, nullable=False),
    Column("weakness", Packed, nullable=False),  # the row of vulns.weakness
    Index("vulnerabilities_by_key", "key", unique=True),
    Index("vulnerabilities_by_time", "last_ns", "id"),
    sqlite_autoincrement=True,
)
