"""The inventory of APIs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, false

from tcpmirror.cloud.schema.columns import Id, Packed, TrafficText, metadata

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
    Column("id", Id, primary_key=True),
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
    Column("id", Id, primary_key=True),
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
    Column("id", Id, primary_key=True),
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
    Column("id", Id, primary_key=True),
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
