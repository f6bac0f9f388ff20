"""Counters of behaviour."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "behavior_counters",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("marked", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("subject", _TEXT, nullable=False),
        sa.Column("attack_id", _ID),
        sa.Column("attack_ns", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("behavior_counters_of_attack", "behavior_counters", ["attack_id"])
    op.create_index("behavior_counters_by_time", "behavior_counters", ["last_ns"])


def downgrade() -> None:
    op.drop_table("behavior_counters")
