"""What became of the picks of the day before, in each digest."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute("ALTER TABLE digests ADD COLUMN yesterday jsonb NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
