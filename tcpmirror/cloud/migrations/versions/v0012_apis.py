"""The inventory of APIs: digests by path, endpoints, changes, templates, specifications."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_digests",
        sa.Column("node_id", _TEXT, nullable=False),
        sa.Column("digest_id", _TEXT, nullable=False),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", "digest_id"),
    )
    op.create_index("api_digests_by_time", "api_digests", ["received_ns"])
    op.create_table(
        "api_hosts",
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("built_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host"),
    )
    op.create_table(
        "api_paths",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("api_paths_of_host", "api_paths", ["host"])
    op.create_table(
        "api_endpoints",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("method", _TEXT, nullable=False),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("operation", _TEXT, nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("found_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("risk", sa.Integer(), nullable=False),
        sa.Column("sensitive", _TEXT, nullable=False),
        sa.Column("auth_state", _TEXT, nullable=False),
        sa.Column("parameters", sa.Integer(), nullable=False),
        sa.Column("rogue", _TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("api_endpoints_of_host", "api_endpoints", ["host", "id"])
    op.create_index("api_endpoints_by_time", "api_endpoints", ["last_ns", "id"])
    op.create_index("api_endpoints_by_key", "api_endpoints", ["key"], unique=True)
    op.create_index("api_endpoints_by_risk", "api_endpoints", ["risk", "id"])
    op.create_table(
        "api_changes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("method", _TEXT, nullable=False),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("operation", _TEXT, nullable=False),
        sa.Column("change", _TEXT, nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("api_changes_by_host", "api_changes", ["host", "id"])
    op.create_table(
        "api_templates",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("api_templates_of_host", "api_templates", ["host"])
    op.create_index("api_templates_by_key", "api_templates", ["key"], unique=True)
    op.create_table(
        "api_specifications",
        sa.Column("id", _ID, nullable=False),
        sa.Column("host", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("version", _TEXT, nullable=False),
        sa.Column("operations", sa.Integer(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("api_specifications_of_host", "api_specifications", ["host", "name", "id"])


def downgrade() -> None:
    op.drop_table("api_specifications")
    op.drop_table("api_templates")
    op.drop_table("api_changes")
    op.drop_table("api_endpoints")
    op.drop_table("api_paths")
    op.drop_table("api_hosts")
    op.drop_table("api_digests")
