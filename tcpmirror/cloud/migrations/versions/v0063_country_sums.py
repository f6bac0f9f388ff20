"""Attacks of each country of their sources are sums, too: counting 430,000 sources of 200,000 attacks took 0.6 s."""

from collections import Counter

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

_PART = 10_000  # rows held at a time


def upgrade() -> None:
    op.execute(
        "update attacks set traits = (case when traits = '' then ' ' else traits end) || 'country:none '"
        " where id in (select facets.attack_id from facets join addresses on addresses.address = facets.value"
        " where facets.kind = 'source' and addresses.country = '')"
    )
    connection = op.get_bind()
    found: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], int] = {}
    rows = connection.execute(sa.text("select type, last_ns, traits from attacks")).yield_per(_PART)
    for kind, last_ns, traits in rows:
        for trait in traits.split():
            name, _, country = trait.partition(":")
            if name == "country":
                key = ("" if country == "none" else country.upper(), kind)
                found[key] += 1
                newest[key] = max(newest.get(key, 0), last_ns)
    if found:
        connection.execute(
            sa.text(
                "insert into attack_sums (kind, value, type, attacks, hits, last_ns)"
                " values ('country', :value, :type, :attacks, 0, :last_ns)"
            ),
            [
                {"value": value, "type": kind, "attacks": number, "last_ns": newest[value, kind]}
                for (value, kind), number in found.items()
            ],
        )


def downgrade() -> None:
    op.execute("delete from attack_sums where kind = 'country'")
    op.execute("update attacks set traits = replace(traits, ' country:none ', ' ')")
