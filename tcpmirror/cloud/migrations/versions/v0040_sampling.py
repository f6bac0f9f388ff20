"""Hits that are counted and not stored."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attacks", sa.Column("counted", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "counted_reports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("report_id", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("counted_reports_by_name", "counted_reports", ["report_id"])


def downgrade() -> None:
    op.drop_table("counted_reports")
    op.drop_column("attacks", "counted")
