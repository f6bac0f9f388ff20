"""Sums over time, small enough to be read at once."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Table

from tcpmirror.cloud.schema.columns import TrafficText, metadata

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

# Attacks and hits of each source and each target (``kind``), by attack type: see `attack_sums`.
attack_sums = Table(
    "attack_sums",
    metadata,
    Column("kind", TrafficText, primary_key=True),
    Column("value", TrafficText, primary_key=True),
    Column("type", TrafficText, primary_key=True),
    Column("attacks", BigInteger, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
