"""What searches need: the traits of attacks, sizes of their responses, and the numbers of source addresses."""

import ipaddress

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

# Compared byte by byte, whatever language a PostgreSQL database was made for.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for name in ("response_least", "response_most"):
        op.add_column("attacks", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("attacks", sa.Column("traits", _TEXT, nullable=False, server_default=""))
    op.create_index("attacks_by_hits", "attacks", ["hits", "id"])
    op.create_table(
        "addresses",
        sa.Column("address", _TEXT, nullable=False),
        sa.Column("number", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("address"),
        sqlite_with_rowid=False,
    )
    op.create_index("addresses_by_number", "addresses", ["number", "address"])
    _number_the_sources_there_are()


def _number_the_sources_there_are() -> None:
    connection = op.get_bind()
    addresses = sa.table("addresses", sa.column("address"), sa.column("number"))
    rows = []
    for (source,) in connection.execute(sa.text("select distinct value from facets where kind = 'source'")):
        try:
            address = ipaddress.ip_address(source)
        except ValueError:
            continue
        number = int(address) + (0xFFFF << 32 if address.version == 4 else 0)
        rows.append({"address": source, "number": f"{number:032x}"})
    if rows:
        op.bulk_insert(addresses, rows)


def downgrade() -> None:
    op.drop_table("addresses")
    op.drop_index("attacks_by_hits", "attacks")
    for name in ("traits", "response_least", "response_most"):
        op.drop_column("attacks", name)
