"""The first tables: nodes, access, reports and the attacks they add up to."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Compared byte by byte, whatever language a PostgreSQL database was made for.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("role", _TEXT, nullable=False),
        sa.Column("password_hash", _TEXT, nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "attacks",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("point", _TEXT, nullable=False),
        sa.Column("parameter", _TEXT, nullable=False),
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("method", _TEXT),
        sa.Column("server", _TEXT, nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("payloads", sa.BigInteger(), nullable=False),
        sa.Column("sources", sa.BigInteger(), nullable=False),
        sa.Column("last_source", _TEXT, nullable=False),
        sa.Column("last_payload", _TEXT, nullable=False),
        sa.Column("last_status", sa.Integer()),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("attacks_by_key", "attacks", ["key", "last_ns"])
    op.create_index("attacks_by_time", "attacks", ["last_ns", "id"])
    op.create_index("attacks_by_type", "attacks", ["type", "last_ns"])
    op.create_table(
        "batches",
        sa.Column("id", _ID, nullable=False),
        sa.Column("node_id", _TEXT, nullable=False),
        sa.Column("batch_id", _TEXT, nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("quarantined", _TEXT, nullable=False),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("batches_by_name", "batches", ["node_id", "batch_id"], unique=True)
    op.create_table(
        "nodes",
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("group_name", _TEXT, nullable=False),
        sa.Column("version", _TEXT, nullable=False),
        sa.Column("mode", _TEXT, nullable=False),
        sa.Column("hostname", _TEXT, nullable=False),
        sa.Column("registered_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ns", sa.BigInteger(), nullable=False),
        sa.Column("stats", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", _ID, nullable=False),
        sa.Column("node_id", _TEXT, nullable=False),
        sa.Column("batch_id", _TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("record", _TEXT, nullable=False),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "reports",
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("node_id", _TEXT, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger()),
        sa.Column("client", _TEXT, nullable=False),
        sa.Column("server", _TEXT, nullable=False),
        sa.Column("real_ip", _TEXT, nullable=False),
        sa.Column("encapsulation", _TEXT, nullable=False),
        sa.Column("protocol", _TEXT, nullable=False),
        sa.Column("method", _TEXT),
        sa.Column("host", _TEXT),
        sa.Column("uri", _TEXT),
        sa.Column("status", sa.Integer()),
        sa.Column("request_bytes", sa.BigInteger(), nullable=False),
        sa.Column("response_bytes", sa.BigInteger(), nullable=False),
        sa.Column("application", sa.BigInteger(), nullable=False),
        sa.Column("anomalies", _TEXT, nullable=False),
        sa.Column("findings", _TEXT, nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("role", _TEXT, nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_table(
        "facets",
        sa.Column("attack_id", _ID, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("value", _TEXT, nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["attack_id"], ["attacks.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("attack_id", "kind", "value"),
        sqlite_with_rowid=False,
    )
    op.create_index("facets_by_value", "facets", ["kind", "value", "attack_id"])
    op.create_table(
        "hits",
        sa.Column("id", _ID, nullable=False),
        sa.Column("attack_id", _ID, nullable=False),
        sa.Column("report_id", _TEXT, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("point", _TEXT, nullable=False),
        sa.Column("payloads", _TEXT, nullable=False),
        sa.Column("rule", _TEXT, nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["attack_id"], ["attacks.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("hits_of_attack", "hits", ["attack_id", "time_ns", "id"])
    op.create_index("hits_of_report", "hits", ["report_id"])
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256"),
    )


def downgrade() -> None:
    op.drop_table("sessions")
    op.drop_table("hits")
    op.drop_table("facets")
    op.drop_table("tokens")
    op.drop_table("reports")
    op.drop_table("quarantine")
    op.drop_table("nodes")
    op.drop_table("batches")
    op.drop_table("attacks")
    op.drop_table("accounts")
