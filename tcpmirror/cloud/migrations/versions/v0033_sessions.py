"""Sessions of those who use the observed applications, by day."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0040"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "api_sessions",
        sa.Column("key", _TEXT, nullable=False),
        sa.Column("session", _TEXT, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("attacks", sa.BigInteger(), nullable=False),
        sa.Column("types", _TEXT, nullable=False),
        sa.Column("sources", _TEXT, nullable=False),
        sa.Column("hosts", _TEXT, nullable=False),
        sa.Column("users", _TEXT, nullable=False),
        sa.Column("roles", _TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("api_sessions_by_time", "api_sessions", ["last_ns", "key"])
    op.create_index("api_sessions_by_attacks", "api_sessions", ["attacks", "key"])
    op.create_index("api_sessions_by_name", "api_sessions", ["session"])


def downgrade() -> None:
    op.drop_table("api_sessions")
