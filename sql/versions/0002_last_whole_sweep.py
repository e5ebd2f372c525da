"""When each venue was last read whole, which markets were not in that, and insights that end with their market."""

from alembic import op

revision = "0002"
down_revision = "0001"

SWEEPS = """
-- `swept_at` is the last sweep that read a listing to its end, `controlled_at` the last after which absence was proved.
CREATE TABLE venue_sweeps (
    platform text PRIMARY KEY CHECK (platform IN ('kalshi', 'polymarket')),
    swept_at timestamptz NOT NULL,
    markets integer NOT NULL,
    controlled_at timestamptz,
    controlled_markets integer
);

-- Since when an open market is not in its venue's sweeps; null while it is.
ALTER TABLE markets ADD COLUMN missing_since timestamptz;
"""

ENDS = """
ALTER TABLE ai_insights DROP CONSTRAINT ai_insights_status_check;
ALTER TABLE ai_insights ADD CONSTRAINT ai_insights_status_check
    CHECK (status IN ('active', 'expired', 'superseded', 'closed'));
"""


def upgrade() -> None:
    for part in (SWEEPS, ENDS):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
