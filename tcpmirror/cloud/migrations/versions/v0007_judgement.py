"""What people make of attacks: evidence of success, status, assignee, comments, and what is to be ignored."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("hits", sa.Column("evidence", _TEXT, nullable=False, server_default=""))
    op.add_column("attacks", sa.Column("evidence_hits", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("attacks", sa.Column("evidence", _TEXT, nullable=False, server_default=""))
    op.add_column("attacks", sa.Column("status", _TEXT, nullable=False, server_default="open"))
    op.add_column("attacks", sa.Column("assignee", _TEXT, nullable=False, server_default=""))
    proven = sa.text("evidence_hits > 0")
    op.create_index("incidents_by_time", "attacks", ["last_ns", "id"], sqlite_where=proven, postgresql_where=proven)
    op.create_table(
        "comments",
        sa.Column("id", _ID, nullable=False),
        sa.Column("attack_id", _ID, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("author", _TEXT, nullable=False),
        sa.Column("text", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["attack_id"], ["attacks.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("comments_of_attack", "comments", ["attack_id", "id"])
    op.create_table(
        "ignore_rules",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("attack_id", _ID),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("ignore_rules")
    op.drop_table("comments")
    op.drop_index("incidents_by_time", "attacks")
    for name in ("assignee", "status", "evidence", "evidence_hits"):
        op.drop_column("attacks", name)
    op.drop_column("hits", "evidence")
