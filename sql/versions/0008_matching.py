"""What finds a market's candidates on the other venue, and what a pair's verdict rests on."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS: tuple[str, ...] = (
    # One row an open market: the keys that its text says (core.match.candidates), and which terms its pairs were
    # judged by; none until they are, so that a run that was killed is made up for.
    """
    CREATE TABLE match_terms (
        platform text NOT NULL CHECK (platform IN ('kalshi', 'polymarket')),
        market_id text NOT NULL,
        terms_digest bigint,
        keys integer[] NOT NULL,
        PRIMARY KEY (platform, market_id),
        FOREIGN KEY (platform, market_id) REFERENCES markets (platform, market_id) ON DELETE CASCADE
    )
    """,
    # A venue's own index: a search is for the other venue's markets alone. What is new is found at once and not
    # read through as a list, which a run that has stored many would leave to the next.
    """
    CREATE INDEX match_terms_kalshi ON match_terms USING gin (keys) WITH (fastupdate = off)
    WHERE platform = 'kalshi'
    """,
    """
    CREATE INDEX match_terms_polymarket ON match_terms USING gin (keys) WITH (fastupdate = off)
    WHERE platform = 'polymarket'
    """,
    # How many of a venue's rows in match_terms have a key: rare ones tell more. Kept by what changes them.
    """
    CREATE TABLE match_keys (
        platform text NOT NULL,
        key integer NOT NULL,
        markets integer NOT NULL,
        PRIMARY KEY (platform, key)
    )
    """,
    # The digests are of the terms on which the verdict was made: as long as they stand, so does it.
    """
    ALTER TABLE pairs
        ADD COLUMN found_by text NOT NULL DEFAULT '',
        ADD COLUMN is_match boolean NOT NULL DEFAULT false,
        ADD COLUMN may_be_priced boolean NOT NULL DEFAULT false,
        ADD COLUMN kalshi_digest bigint,
        ADD COLUMN polymarket_digest bigint
    """,
    "CREATE INDEX pairs_priced ON pairs (kalshi_market_id) WHERE may_be_priced",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
