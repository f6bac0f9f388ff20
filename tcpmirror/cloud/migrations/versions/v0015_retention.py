"""Reports by time, so that the oldest are found without reading the others."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("reports_by_time", "reports", ["time_ns", "id"])


def downgrade() -> None:
    op.drop_index("reports_by_time", "reports")
