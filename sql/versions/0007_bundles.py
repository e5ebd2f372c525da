"""Opportunities of any number of legs, how long each bundle lived, and the best that do not clear."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS: tuple[str, ...] = (
    # A bundle may lie within one venue. Its key names it from run to run; a stranger's row gets one of its own.
    """
    ALTER TABLE arbitrage_opportunities
        ALTER COLUMN kalshi_market_id DROP NOT NULL,
        ALTER COLUMN polymarket_market_id DROP NOT NULL,
        ADD COLUMN bundle_key text NOT NULL DEFAULT gen_random_uuid()::text,
        ADD COLUMN legs jsonb NOT NULL DEFAULT '[]',
        ADD COLUMN sizes jsonb NOT NULL DEFAULT '[]',
        ADD COLUMN annualised_percentage numeric(12, 3),
        ADD COLUMN settles_at timestamptz,
        ADD CHECK (num_nonnulls(kalshi_market_id, polymarket_market_id) > 0),
        DROP CONSTRAINT arbitrage_opportunities_kalshi_market_id_polymarket_market__key,
        ADD UNIQUE (bundle_key, quoted_at)
    """,
    """
    UPDATE arbitrage_opportunities
    SET bundle_key = 'kalshi:' || kalshi_market_id || '+polymarket:' || polymarket_market_id
    """,
    # Which markets an opportunity refers to.
    "CREATE INDEX arbitrage_kalshi ON arbitrage_opportunities (kalshi_market_id)",
    "CREATE INDEX arbitrage_legs ON arbitrage_opportunities USING gin (legs jsonb_path_ops)",
    # One row a time that a bundle cleared without a break. `half_at`: when its edge was first seen at half its peak or
    # less, by a quote or by books that showed it gone; null while that is not known.
    """
    CREATE TABLE arbitrage_lives (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        bundle_key text NOT NULL,
        opportunity_type text NOT NULL,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        quotes integer NOT NULL DEFAULT 1,
        last_edge_percentage numeric(7, 3) NOT NULL,
        peak_edge_percentage numeric(7, 3) NOT NULL,
        peak_net_edge_usd numeric(14, 4) NOT NULL,
        peak_at timestamptz NOT NULL,
        half_at timestamptz,
        half_life interval GENERATED ALWAYS AS (half_at - peak_at) STORED,
        ended_at timestamptz,
        ended_because text
    )
    """,
    "CREATE UNIQUE INDEX arbitrage_lives_open ON arbitrage_lives (bundle_key) WHERE ended_at IS NULL",
    "CREATE INDEX arbitrage_lives_recent ON arbitrage_lives (last_seen_at)",
    """
    CREATE TABLE arbitrage_near_misses (
        at timestamptz NOT NULL,
        bundle_key text NOT NULL,
        opportunity_type text NOT NULL,
        description text NOT NULL,
        lacks text NOT NULL CHECK (lacks IN ('price', 'fees', 'edge', 'depth', 'rules', 'books')),
        reason text NOT NULL,
        legs jsonb NOT NULL,
        shares numeric(14, 4),
        edge_percentage numeric(9, 3),
        quoted_at timestamptz NOT NULL,
        PRIMARY KEY (at, bundle_key)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
