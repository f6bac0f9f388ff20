"""Sums in buckets of five minutes: hits by type, and traffic by node; with the hits that are stored already."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Compared byte by byte, whatever language a PostgreSQL database was made for.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "hit_counts",
        sa.Column("bucket", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "type"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "traffic",
        sa.Column("bucket", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("node_id", _TEXT, nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("coverage", sa.Float()),
        sa.PrimaryKeyConstraint("bucket", "node_id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "insert into hit_counts (bucket, type, hits)"
        " select time_ns / 300000000000, type, count(*) from hits group by time_ns / 300000000000, type"
    )


def downgrade() -> None:
    op.drop_table("traffic")
    op.drop_table("hit_counts")
