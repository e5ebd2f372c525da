"""The compact history that detection reads: what changed at one time, packed (core.detect.columns)."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS: tuple[str, ...] = (
    # What a packed column calls a market: four bytes instead of an id of up to 200.
    "ALTER TABLE markets ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY UNIQUE",
    """
    CREATE TABLE history_columns (
        platform text NOT NULL CHECK (platform IN ('kalshi', 'polymarket')),
        ended_at timestamptz NOT NULL,
        span interval NOT NULL,
        markets integer NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (platform, ended_at)
    )
    """,
    # Deflated already: PostgreSQL would only try in vain.
    "ALTER TABLE history_columns ALTER COLUMN body SET STORAGE EXTERNAL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
