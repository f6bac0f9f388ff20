"""What a source did around a moment is looked for by its address and the time."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("reports_by_source", "reports", ["real_ip", "time_ns"])


def downgrade() -> None:
    op.drop_index("reports_by_source", "reports")
