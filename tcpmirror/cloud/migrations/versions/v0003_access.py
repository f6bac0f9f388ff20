"""People with roles: accounts that can be disabled, sessions and tokens that tell where and when, the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("accounts", sa.Column("disabled", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("sessions", sa.Column("address", _TEXT, nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("browser", _TEXT, nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("last_used_ns", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("tokens", sa.Column("created_by", _TEXT, nullable=False, server_default=""))
    op.add_column("tokens", sa.Column("expires_ns", sa.BigInteger()))
    op.add_column("tokens", sa.Column("last_used_ns", sa.BigInteger()))
    op.create_table(
        "audit",
        sa.Column("id", _ID, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("address", _TEXT, nullable=False),
        sa.Column("action", _TEXT, nullable=False),
        sa.Column("object", _TEXT, nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("audit")
    for table, names in (
        ("tokens", ("created_by", "expires_ns", "last_used_ns")),
        ("sessions", ("address", "browser", "last_used_ns")),
        ("accounts", ("disabled",)),
    ):
        for name in names:
            op.drop_column(table, name)
