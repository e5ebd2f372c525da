"""Earlier terms of a market, scheduled fee changes, and the order books that matter."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE markets ADD COLUMN fee_waiver_until timestamptz",
    # What a market's terms were from when they were first seen until others took their place.
    """
    CREATE TABLE market_terms_history (
        platform text NOT NULL,
        market_id text NOT NULL,
        told_from timestamptz NOT NULL,
        told_until timestamptz NOT NULL,
        event_id text,
        title text NOT NULL,
        rules text NOT NULL,
        category text,
        yes_label text NOT NULL,
        no_label text NOT NULL,
        open_time timestamptz,
        close_time timestamptz,
        yes_token text,
        no_token text,
        fee_kind text,
        fee_rate numeric(9, 6),
        fee_exponent numeric(9, 6),
        fee_waiver_until timestamptz,
        PRIMARY KEY (platform, market_id, told_until),
        FOREIGN KEY (platform, market_id) REFERENCES markets (platform, market_id) ON DELETE CASCADE
    )
    """,
    # Kalshi's announced changes. Of an event, no type and no multiplier mean that its series' hold again.
    """
    CREATE TABLE fee_changes (
        scope text NOT NULL CHECK (scope IN ('series', 'event')),
        subject text NOT NULL,
        effective_at timestamptz NOT NULL,
        fee_type text,
        fee_multiplier numeric(9, 6),
        read_at timestamptz NOT NULL,
        PRIMARY KEY (scope, subject, effective_at)
    )
    """,
    # The latest book of each market that mattered within a day: [[price, size], ...] as text, best first.
    """
    CREATE TABLE market_books (
        platform text NOT NULL CHECK (platform IN ('kalshi', 'polymarket')),
        market_id text NOT NULL,
        read_at timestamptz NOT NULL,
        top_only boolean NOT NULL,
        yes_asks jsonb NOT NULL,
        no_asks jsonb NOT NULL,
        PRIMARY KEY (platform, market_id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
