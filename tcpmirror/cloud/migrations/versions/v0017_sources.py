"""What is known of sources, and the lists that people keep of them."""

import sqlalchemy as sa
from alembic import op

from tcpmirror.cloud.schema import TrafficText

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_WORDS = ("country", "network_name", "kinds", "mark")


def upgrade() -> None:
    for name in _WORDS:
        op.add_column("addresses", sa.Column(name, TrafficText(), nullable=False, server_default=""))
    op.add_column("addresses", sa.Column("network", sa.BigInteger(), nullable=False, server_default="0"))
    marked = sa.text("mark != ''")
    op.create_index("addresses_by_mark", "addresses", ["mark", "address"], sqlite_where=marked, postgresql_where=marked)
    op.create_table(
        "source_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("list", TrafficText(), nullable=False),
        sa.Column("kind", TrafficText(), nullable=False),
        sa.Column("value", TrafficText(), nullable=False),
        sa.Column("low", TrafficText(), nullable=False),
        sa.Column("high", TrafficText(), nullable=False),
        sa.Column("reason", TrafficText(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger()),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_by", TrafficText(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("source_entries_by_value", "source_entries", ["kind", "value"], unique=True)


def downgrade() -> None:
    op.drop_table("source_entries")
    op.drop_index("addresses_by_mark", "addresses")
    for name in (*_WORDS, "network"):
        op.drop_column("addresses", name)
