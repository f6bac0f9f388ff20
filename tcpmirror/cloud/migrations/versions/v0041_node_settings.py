"""Settings that nodes are given."""

import sqlalchemy as sa
from alembic import op

from tcpmirror.cloud.schema import TrafficText

revision = "0041"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "node_settings",
        sa.Column("scope", TrafficText(), primary_key=True),
        sa.Column("text", TrafficText(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", TrafficText(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("node_settings")
