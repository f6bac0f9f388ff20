"""Who may do what here: accounts, tokens, sign-ins, and the log of what they changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

from tcpmirror.cloud.schema.columns import Id, Packed, TrafficText, metadata

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
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
    Column("id", Id, primary_key=True),
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
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
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
    Column("id", Id, primary_key=True),
    Column("time_ns", BigInteger, nullable=False),
    Column("actor", TrafficText, nullable=False),
    Column("address", TrafficText, nullable=False),
    Column("action", TrafficText, nullable=False),
    Column("object", TrafficText, nullable=False),
    Column("details", Packed, nullable=False),
    sqlite_autoincrement=True,
)
