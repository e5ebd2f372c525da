"""What a column of the compact history is known by, so that a host that has it need not be sent it."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("ALTER TABLE history_columns ADD COLUMN digest bytea NOT NULL GENERATED ALWAYS AS (sha256(body)) STORED")


def downgrade() -> None:
    op.execute("ALTER TABLE history_columns DROP COLUMN digest")
