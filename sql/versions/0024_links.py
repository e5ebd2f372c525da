"""A market's page on its venue's site may be unknown, and what is stored of it so far leads elsewhere.

Polymarket answers its old addresses with "not found", and those of Kalshi were a series', whose page is that of its
current event. The next sweep tells those of open markets again. A column is dropped and made at once, however many rows
there are; to rewrite them all would take hours.
"""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute("ALTER TABLE markets DROP COLUMN url")
    op.execute("ALTER TABLE markets ADD COLUMN url text")


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
