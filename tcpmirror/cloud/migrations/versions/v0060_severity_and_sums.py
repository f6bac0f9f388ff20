"""Severity and grade of hits; sums of each source and target, with the attacks that are stored already."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0050"
branch_labels = None
depends_on = None

# Compared byte by byte, whatever language a PostgreSQL database was made for.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("attacks", sa.Column("severity", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("hits", sa.Column("grade", _TEXT, nullable=False, server_default=""))
    op.add_column("hits", sa.Column("severity", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "attack_sums",
        *(sa.Column(name, _TEXT, nullable=False) for name in ("kind", "value", "type")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("attacks", "hits", "last_ns")),
        sa.PrimaryKeyConstraint("kind", "value", "type"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "insert into attack_sums (kind, value, type, attacks, hits, last_ns)"
        " select 'target', host, type, count(*), sum(hits), max(last_ns) from attacks group by host, type"
    )
    op.execute(
        "insert into attack_sums (kind, value, type, attacks, hits, last_ns)"
        " select 'source', facets.value, attacks.type, count(*), sum(facets.hits), max(attacks.last_ns)"
        " from facets join attacks on attacks.id = facets.attack_id"
        " where facets.kind = 'source' group by facets.value, attacks.type"
    )


def downgrade() -> None:
    op.drop_table("attack_sums")
    for name in ("grade", "severity"):
        op.drop_column("hits", name)
    op.drop_column("attacks", "severity")
