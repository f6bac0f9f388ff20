"""Vulnerabilities and weaknesses that traffic shows, and masks that people made."""

import sqlalchemy as sa
from alembic import op

from tcpmirror.cloud.schema import Packed, TrafficText

revision = "0031"
down_revision = "0017"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "vulnerabilities",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("kind", TrafficText, nullable=False),
        sa.Column("type", TrafficText, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("host", TrafficText, nullable=False),
        sa.Column("method", TrafficText, nullable=False),
        sa.Column("path", TrafficText, nullable=False),
        sa.Column("subject", TrafficText, nullable=False),
        sa.Column("status", TrafficText, nullable=False),
        sa.Column("is_proven", sa.Boolean, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_ns", sa.BigInteger, nullable=False),
        sa.Column("last_ns", sa.BigInteger, nullable=False),
        sa.Column("found_ns", sa.BigInteger, nullable=False),
        sa.Column("judged_ns", sa.BigInteger, nullable=False),
        sa.Column("judged_by", TrafficText, nullable=False),
        sa.Column("comment", TrafficText, nullable=False),
        sa.Column("weakness", Packed, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("vulnerabilities_by_key", "vulnerabilities", ["key"], unique=True)
    op.create_index("vulnerabilities_by_time", "vulnerabilities", ["last_ns", "id"])
    op.create_table(
        "mask_rules",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", TrafficText, nullable=False, unique=True),
        sa.Column("entry", Packed, nullable=False),
        sa.Column("reason", TrafficText, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("created_by", TrafficText, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("mask_rules")
    op.drop_index("vulnerabilities_by_time", "vulnerabilities")
    op.drop_index("vulnerabilities_by_key", "vulnerabilities")
    op.drop_table("vulnerabilities")
