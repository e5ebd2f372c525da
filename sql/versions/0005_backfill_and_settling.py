"""How far backfilling got, what venues' histories lack, and when an unsettled market is asked for again."""

from alembic import op

revision = "0005"
down_revision = "0004"

SETTLING = """
-- Markets asked for by id whose end is not told yet. A table of its own: it changes hourly, the wide row does not.
CREATE TABLE settle_askings (
    platform text NOT NULL,
    market_id text NOT NULL,
    told text NOT NULL,  -- the venue's status, 'unknown' (it knows no such market) or 'refused'
    askings integer NOT NULL,  -- in a row that changed nothing
    asked_at timestamptz NOT NULL,
    ask_after timestamptz NOT NULL,
    PRIMARY KEY (platform, market_id),
    FOREIGN KEY (platform, market_id) REFERENCES markets (platform, market_id) ON DELETE CASCADE
);

-- Up to when a venue's settled markets have been read: those settled before are stored, if they are ours.
CREATE TABLE settled_reads (
    platform text PRIMARY KEY CHECK (platform IN ('kalshi', 'polymarket')),
    read_through timestamptz NOT NULL
);

-- Final markets are read again a while later: up to which one, by the time and id that made them final.
CREATE TABLE outcome_rereads (
    platform text NOT NULL CHECK (platform IN ('kalshi', 'polymarket')),
    after_s integer NOT NULL,
    through_at timestamptz NOT NULL,
    through_id text NOT NULL,
    PRIMARY KEY (platform, after_s)
);
-- Of the time alone: a run's markets share theirs, and equal keys are stored once.
CREATE INDEX markets_final ON markets (status_seen_at) WHERE status = 'final';

-- Outcomes that a venue took back or amended, as they were before.
CREATE TABLE outcome_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform text NOT NULL,
    market_id text NOT NULL,
    changed_at timestamptz NOT NULL,
    result text,
    payout numeric(9, 6) NOT NULL,
    settled_at timestamptz,
    new_result text,
    new_payout numeric(9, 6),
    FOREIGN KEY (platform, market_id) REFERENCES markets (platform, market_id) ON DELETE CASCADE
);
CREATE INDEX outcome_changes_market ON outcome_changes (platform, market_id);
CREATE INDEX outcome_changes_recent ON outcome_changes (changed_at);

-- A trigger, because every job that stores a market's life could overwrite its outcome.
CREATE FUNCTION keep_earlier_outcome() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outcome_changes
        (platform, market_id, changed_at, result, payout, settled_at, new_result, new_payout)
    VALUES (OLD.platform, OLD.market_id, NEW.status_seen_at, OLD.result, OLD.payout, OLD.settled_at,
        NEW.result, NEW.payout);
    RETURN NULL;
END
$$;
CREATE TRIGGER markets_outcome AFTER UPDATE OF result, payout ON markets FOR EACH ROW
    WHEN (OLD.payout IS NOT NULL AND (OLD.result, OLD.payout) IS DISTINCT FROM (NEW.result, NEW.payout))
    EXECUTE FUNCTION keep_earlier_outcome();
"""

BACKFILL = """
-- What a venue's history was asked for and gave, by market. The time between `asked_from` and `first_at` it lacks.
CREATE TABLE backfills (
    platform text NOT NULL,
    market_id text NOT NULL,
    total numeric(20, 4),  -- of a market that had settled before we saw it: all that was traded
    done_at timestamptz,  -- null: wanted, not asked for yet
    asked_from timestamptz,
    asked_to timestamptz,
    given text CHECK (given IN ('candles', 'nothing', 'refusal')),
    candles integer NOT NULL DEFAULT 0,
    first_at timestamptz,
    last_at timestamptz,
    lacks text[] NOT NULL DEFAULT '{}',
    in_history boolean NOT NULL DEFAULT true,  -- false: the compact history does not hold them yet
    PRIMARY KEY (platform, market_id),
    FOREIGN KEY (platform, market_id) REFERENCES markets (platform, market_id) ON DELETE CASCADE
);

-- Days whose settled markets were listed: up to when, and the largest `most` of at least `min_volume` kept.
CREATE TABLE backfilled_days (
    platform text NOT NULL CHECK (platform IN ('kalshi', 'polymarket')),
    day date NOT NULL,
    through_at timestamptz NOT NULL,
    min_volume numeric(20, 4) NOT NULL,
    most integer NOT NULL,
    listed integer NOT NULL,
    kept integer NOT NULL,
    PRIMARY KEY (platform, day)
);
"""


def upgrade() -> None:
    for part in (SETTLING, BACKFILL):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
