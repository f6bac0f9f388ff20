"""What sensors send: they themselves, their batches and reports, and what was refused."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table

from tcpmirror.cloud.schema.columns import Id, Packed, TrafficText, metadata

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

batches = Table(
    "batches",
    metadata,
    Column("id", Id, primary_key=True),
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
    Column("id", Id, primary_key=True),
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

# The ids (16 bytes) of reports none of whose hits is stored, the newest of them: they must not be counted again.
counted_reports = Table(
    "counted_reports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("report_id", LargeBinary, nullable=False),
    Index("counted_reports_by_name", "report_id"),
    sqlite_autoincrement=True,
)
