"""Candles that outlive raw snapshots, and what retention needs."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
-- Materialised candles, a row a market and UTC day. No foreign key to markets (number): checking it would lock, and
-- so rewrite, every market's wide row every night.
CREATE TABLE candle_days (
    number integer NOT NULL,
    day date NOT NULL,
    open numeric(9, 6),
    high numeric(9, 6),
    low numeric(9, 6),
    close numeric(9, 6),
    volume numeric(20, 4),
    counter numeric(20, 4),  -- the cumulative volume as the day's last snapshot has it
    PRIMARY KEY (number, day)
);

-- The hours of a day as bits (1: from midnight): `seen` had snapshots; `kept` of them have values in the arrays, in
-- order. A seen hour that is not kept stood still at the close of the one before it.
CREATE TABLE candle_hours (
    number integer NOT NULL,
    day date NOT NULL,
    seen integer NOT NULL,
    kept integer NOT NULL,
    prices integer[] NOT NULL,  -- [n][open, high, low, close] in millionths
    volumes numeric[] NOT NULL,
    PRIMARY KEY (number, day)
);

-- One row. Days before `done_day` are materialised; of `done_day` and later ones, up to `logged_day`, those of markets
-- up to `done_number`. Snapshots that arrive for a day before `logged_day` are late. Of days from `raw_day` on no
-- snapshot was deleted for its age.
CREATE TABLE candle_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    done_day date NOT NULL DEFAULT '-infinity',
    logged_day date NOT NULL DEFAULT '-infinity',
    done_number integer NOT NULL DEFAULT 0,
    raw_day date NOT NULL DEFAULT '-infinity'
);
INSERT INTO candle_progress DEFAULT VALUES;

-- Markets with late snapshots, the first of them on `oldest`. Their candles from `since` on are told from snapshots;
-- before it, where snapshots are gone, only those of days that have none yet.
CREATE TABLE candle_late (
    platform text NOT NULL,
    market_id text NOT NULL,
    oldest date NOT NULL,
    since date NOT NULL,
    PRIMARY KEY (platform, market_id)
);

CREATE FUNCTION log_late_snapshots() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    progress candle_progress;
BEGIN
    -- Held until this transaction ends: who moves a day in `candle_progress` waits for it.
    PERFORM pg_advisory_xact_lock_shared(hashtext('snapshots'), 0);
    SELECT * INTO progress FROM candle_progress;
    INSERT INTO candle_late AS known (platform, market_id, oldest, since)
    SELECT late.platform, late.market_id, late.day,
           CASE WHEN m.trimmed_at IS NULL THEN greatest(late.day, progress.raw_day) ELSE 'infinity' END
    FROM (
        SELECT platform, market_id, (min(time) AT TIME ZONE 'UTC')::date AS day FROM inserted
        WHERE time < progress.logged_day::timestamp AT TIME ZONE 'UTC' GROUP BY platform, market_id
    ) AS late LEFT JOIN markets m USING (platform, market_id)
    ORDER BY late.platform, late.market_id
    ON CONFLICT (platform, market_id) DO UPDATE
        SET oldest = least(known.oldest, excluded.oldest), since = least(known.since, excluded.since);
    RETURN NULL;
END
$$;
CREATE TRIGGER market_snapshots_late AFTER INSERT ON market_snapshots REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION log_late_snapshots();
"""

_DONE = "(SELECT done_day FROM candle_progress)"

# Snapshots from `since` on, each with the counter before it: of the first one, as the last materialised day left it.
_STEPS = """
SELECT s.platform, s.market_id, s.time, s.price, s.volume,
       CASE WHEN row_number() OVER market > 1 THEN lag(s.volume) OVER market ELSE (
           SELECT c.counter FROM markets m JOIN candle_days c USING (number)
           WHERE m.platform = s.platform AND m.market_id = s.market_id AND c.day < {since}
           ORDER BY c.day DESC LIMIT 1) END AS before
FROM {source} AND s.time >= {since}::timestamp AT TIME ZONE 'UTC'
WINDOW market AS (PARTITION BY s.platform, s.market_id ORDER BY s.time)
"""

# A candle's volume is what the cumulative counter gained since the snapshot before; a counter that fell was reset.
_HOURS = """
SELECT date_trunc('hour', time, 'UTC') AS bucket, platform, market_id,
       (array_agg(price ORDER BY time) FILTER (WHERE price IS NOT NULL))[1] AS open,
       max(price) AS high,
       min(price) AS low,
       (array_agg(price ORDER BY time DESC) FILTER (WHERE price IS NOT NULL))[1] AS close,
       sum(volume - before) FILTER (WHERE volume >= before) AS volume,
       (array_agg(volume ORDER BY time DESC))[1] AS counter
FROM ({steps}) AS steps GROUP BY bucket, platform, market_id
"""

_IN_TIME = _STEPS.format(
    source="market_snapshots s WHERE NOT EXISTS (SELECT FROM candle_late d "
    "WHERE d.platform = s.platform AND d.market_id = s.market_id)",
    since=_DONE,
)
_LATE = _STEPS.format(
    source="candle_late d JOIN market_snapshots s ON s.platform = d.platform AND s.market_id = d.market_id WHERE true",
    since=f"least(d.oldest, {_DONE})",
)

VIEWS = f"""
DROP VIEW candles_hourly;
DROP VIEW candles_daily;

-- Candles as the stored snapshots tell them: of days that are not materialised yet, and of markets with late snapshots.
CREATE VIEW candles_live AS
SELECT h.* FROM ({_HOURS.format(steps=_IN_TIME)}) AS h
UNION ALL
SELECT h.* FROM ({_HOURS.format(steps=_LATE)}) AS h
JOIN candle_late d USING (platform, market_id)
CROSS JOIN LATERAL (SELECT (h.bucket AT TIME ZONE 'UTC')::date AS day) AS on_
WHERE day >= least(d.since, {_DONE}) OR NOT EXISTS (
    SELECT FROM markets m JOIN candle_days c USING (number)
    WHERE m.platform = h.platform AND m.market_id = h.market_id AND c.day = on_.day);

-- The same by day, in the form in which they are materialised.
CREATE VIEW candle_days_live AS
SELECT day, platform, market_id,
       (array_agg(open ORDER BY bucket) FILTER (WHERE open IS NOT NULL))[1] AS open,
       max(high) AS high,
       min(low) AS low,
       (array_agg(close ORDER BY bucket DESC) FILTER (WHERE close IS NOT NULL))[1] AS close,
       sum(volume) AS volume,
       (array_agg(counter ORDER BY bucket DESC))[1] AS counter,
       bit_or(1 << hour) AS seen,
       bit_or(1 << hour) FILTER (WHERE NOT still) AS kept,
       array_agg(ARRAY[1e6 * open, 1e6 * high, 1e6 * low, 1e6 * close]::integer[] ORDER BY bucket)
           FILTER (WHERE NOT still) AS prices,
       array_agg(volume ORDER BY bucket) FILTER (WHERE NOT still) AS volumes
FROM (
    SELECT l.*, day, extract(hour FROM bucket AT TIME ZONE 'UTC')::integer AS hour,
           row_number() OVER hours > 1 AND (open, high, low, close, volume) IS NOT DISTINCT FROM
           (lag(close) OVER hours, lag(close) OVER hours, lag(close) OVER hours, lag(close) OVER hours,
            0 * lag(volume) OVER hours) AS still
    FROM candles_live l CROSS JOIN LATERAL (SELECT (bucket AT TIME ZONE 'UTC')::date AS day) AS on_
    WINDOW hours AS (PARTITION BY platform, market_id, day ORDER BY bucket)
) AS candles GROUP BY day, platform, market_id;

CREATE VIEW candles_hourly AS
SELECT (c.day + make_interval(hours => hour)) AT TIME ZONE 'UTC' AS bucket, m.platform, m.market_id,
       (c.prices[n][CASE WHEN own THEN 1 ELSE 4 END] / 1e6)::numeric(9, 6) AS open,
       (c.prices[n][CASE WHEN own THEN 2 ELSE 4 END] / 1e6)::numeric(9, 6) AS high,
       (c.prices[n][CASE WHEN own THEN 3 ELSE 4 END] / 1e6)::numeric(9, 6) AS low,
       (c.prices[n][4] / 1e6)::numeric(9, 6) AS close,
       CASE WHEN own THEN 1 ELSE 0 END * c.volumes[n] AS volume
FROM markets m JOIN candle_hours c USING (number)
CROSS JOIN generate_series(0, 23) AS hour
CROSS JOIN LATERAL (
    -- a seen hour takes its values from the last one kept up to it
    SELECT bit_count((c.kept & ((2 << hour) - 1))::bit(24))::integer AS n, c.kept & (1 << hour) <> 0 AS own
) AS kept
WHERE c.seen & (1 << hour) <> 0 AND c.day < {_DONE} AND NOT EXISTS (
    SELECT FROM candle_late d WHERE d.platform = m.platform AND d.market_id = m.market_id AND c.day >= d.since)
UNION ALL
SELECT bucket, platform, market_id, open, high, low, close, volume FROM candles_live;

CREATE VIEW candles_daily AS
SELECT c.day::timestamp AT TIME ZONE 'UTC' AS bucket, m.platform, m.market_id,
       c.open, c.high, c.low, c.close, c.volume
FROM markets m JOIN candle_days c USING (number)
WHERE c.day < {_DONE} AND NOT EXISTS (
    SELECT FROM candle_late d WHERE d.platform = m.platform AND d.market_id = m.market_id AND c.day >= d.since)
UNION ALL
SELECT day::timestamp AT TIME ZONE 'UTC', platform, market_id, open, high, low, close, volume FROM candle_days_live;
"""  # noqa: S608  constants of this file

RETENTION = """
-- When the snapshots and the raw answer of a market that ended went.
ALTER TABLE markets ADD COLUMN trimmed_at timestamptz;
CREATE INDEX markets_untrimmed ON markets (status_seen_at) WHERE status = 'final' AND trimmed_at IS NULL;

-- A run's snapshots share their time, so a B-tree stores it once for all of them. The BRIN index that was here told
-- less with each day whose pages were reused.
DROP INDEX market_snapshots_time;
CREATE INDEX market_snapshots_time ON market_snapshots (time);

-- Who still needs a market that ended.
CREATE INDEX ai_insights_market ON ai_insights (platform, market_id);
CREATE INDEX pairs_polymarket ON pairs (polymarket_market_id);
CREATE INDEX arbitrage_polymarket ON arbitrage_opportunities (polymarket_market_id);
"""


def upgrade() -> None:
    for part in (RETENTION, TABLES, VIEWS):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
