"""Snapshots in TimescaleDB where it is: a hypertable, and under its community licence columns and aggregates.

`use_timescale()` does what the server can do and was not done yet: run it again after installing the extension or
changing its licence. decisions/0020 says how both ways to store tell the same candles.
"""

from alembic import op

revision = "0021"
down_revision = "0020"

# table: plain PostgreSQL; hypertable: TimescaleDB's Apache licence; aggregates: its community licence.
STORAGE = """
ALTER TABLE candle_progress ADD COLUMN storage text NOT NULL DEFAULT 'table'
    CHECK (storage IN ('table', 'hypertable', 'aggregates'));
-- When a market's late snapshots were last noted: what was refreshed before does not have them.
ALTER TABLE candle_late ADD COLUMN noted_at timestamptz NOT NULL DEFAULT clock_timestamp();

-- Candles before this outlive their snapshots.
CREATE FUNCTION candles_stored_until() RETURNS timestamptz LANGUAGE sql STABLE AS
    'SELECT done_day::timestamp AT TIME ZONE ''UTC'' FROM candle_progress';
"""

HYPERTABLE = """
SELECT create_hypertable('market_snapshots', by_range('time', interval '1 day'),
    create_default_indexes => false, migrate_data => true);
UPDATE candle_progress SET storage = 'hypertable';
"""

# Whole chunks, for a role that does not own them; all that is in them is in candles, and nobody late waits for it.
DROP_SNAPSHOTS = """
CREATE FUNCTION drop_snapshots(before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    chunk regclass;
    held bigint;
    dropped bigint := 0;
    until timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('snapshots'), 0);
    SELECT least(before, candles_stored_until(), min(oldest)::timestamp AT TIME ZONE 'UTC') INTO until FROM candle_late;
    FOR chunk IN SELECT show_chunks('market_snapshots', older_than => until) LOOP
        EXECUTE format('SELECT count(*) FROM %s', chunk) INTO held;
        dropped := dropped + held;
    END LOOP;
    PERFORM drop_chunks('market_snapshots', older_than => until);
    RETURN dropped;
END
$$;
REVOKE EXECUTE ON FUNCTION drop_snapshots FROM PUBLIC;
"""

# What a cumulative counter gained from row to row; where it fell it was reset, and where it is unknown so is its gain.
COUNTER_GAIN = """
CREATE FUNCTION counter_step(state numeric[], counter numeric) RETURNS numeric[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[counter, CASE WHEN counter >= state[1] THEN coalesce(state[2], 0) + counter - state[1]
                               ELSE state[2] END]
$$;
CREATE FUNCTION counter_gained(state numeric[]) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT state[2]';
CREATE AGGREGATE counter_gain(numeric) (SFUNC = counter_step, STYPE = numeric[], INITCOND = '{NULL,NULL}',
    FINALFUNC = counter_gained, PARALLEL = SAFE);
"""

# No aggregate looks at the row before its bucket: it keeps the first and the last counter, and the view above them
# adds what was gained in between.
_AGGREGATE = """
CREATE MATERIALIZED VIEW {name}
WITH (tsdb.continuous, tsdb.materialized_only = false, tsdb.create_group_indexes = false,
      tsdb.chunk_interval = '{chunk}') AS
SELECT time_bucket('{period}', time) AS bucket, platform, market_id,
       first(price, time) FILTER (WHERE price IS NOT NULL) AS open,
       max(price) AS high,
       min(price) AS low,
       last(price, time) FILTER (WHERE price IS NOT NULL) AS close,
       first(volume, time) AS first_counter,
       counter_gain(volume ORDER BY time) AS gained,
       last(volume, time) AS counter
FROM market_snapshots GROUP BY 1, 2, 3
WITH NO DATA;
CREATE INDEX ON {name} (market_id, platform, bucket);
"""
AGGREGATES = _AGGREGATE.format(name="hourly_aggregate", period="1 hour", chunk="7 days") + _AGGREGATE.format(
    name="daily_aggregate", period="1 day", chunk="28 days"
)

POLICIES = """
ALTER TABLE market_snapshots SET (tsdb.enable_columnstore,
    tsdb.segmentby = 'market_id, platform', tsdb.orderby = 'time');
CALL add_columnstore_policy('market_snapshots', after => interval '7 days');
SELECT add_retention_policy('market_snapshots', drop_after => interval '8 days');

SELECT add_continuous_aggregate_policy('hourly_aggregate', start_offset => interval '8 days',
    end_offset => interval '1 hour', schedule_interval => interval '15 minutes');
SELECT add_continuous_aggregate_policy('daily_aggregate', start_offset => interval '8 days',
    end_offset => interval '1 hour', schedule_interval => interval '1 hour');
ALTER MATERIALIZED VIEW hourly_aggregate SET (tsdb.enable_columnstore,
    tsdb.segmentby = 'market_id, platform', tsdb.orderby = 'bucket');
CALL add_columnstore_policy('hourly_aggregate', after => interval '9 days');
SELECT add_retention_policy('hourly_aggregate', drop_after => interval '30 days');
SELECT add_retention_policy('daily_aggregate', drop_after => interval '365 days');
"""

# The policies' ages as the settings want them. Refreshing an aggregate where snapshots are gone takes its candles too:
# so it looks back no further than `raw_day`, and snapshots go a day after upkeep should have dropped and noted them.
SET_AGES = """
CREATE FUNCTION set_snapshot_ages(snapshot_days integer, columnstore_days integer, hourly_days integer,
    daily_days integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH kept AS (
        SELECT greatest(3, least(snapshot_days + 1, current_date - nullif(raw_day, '-infinity'))) AS raw_days
        FROM candle_progress
    ), wanted AS (
        SELECT relation, name, days || ' days' AS age FROM kept CROSS JOIN LATERAL (VALUES
            ('market_snapshots', 'drop_after', greatest(4, snapshot_days) + 1),
            ('market_snapshots', 'compress_after', columnstore_days),
            ('hourly_aggregate', 'start_offset', raw_days),
            ('hourly_aggregate', 'compress_after', greatest(columnstore_days, snapshot_days + 1) + 1),
            ('hourly_aggregate', 'drop_after', hourly_days),
            ('daily_aggregate', 'start_offset', raw_days),
            ('daily_aggregate', 'drop_after', daily_days)
        ) AS ages (relation, name, days)
    )
    SELECT alter_job(job_id, config_merge => jsonb_build_object(wanted.name, age))
    FROM timescaledb_information.jobs JOIN wanted ON relation = hypertable_name AND config ? wanted.name
    WHERE (config ->> wanted.name)::interval <> age::interval
$$;
REVOKE EXECUTE ON FUNCTION set_snapshot_ages FROM PUBLIC;
"""

# Snapshots below what an aggregate holds are late: until a refresh took them in, their markets' candles are told from
# snapshots. A day that was dropped takes none in.
LATE = """
CREATE FUNCTION aggregated_until(aggregate text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(mat_hypertable_id)),
        '-infinity')
    FROM _timescaledb_catalog.continuous_agg
    WHERE user_view_schema = current_schema() AND user_view_name = aggregate
$$;

-- What is late is in no aggregate yet.
CREATE OR REPLACE FUNCTION candles_stored_until() RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT least(aggregated_until('hourly_aggregate'), aggregated_until('daily_aggregate'),
        min(since)::timestamp AT TIME ZONE 'UTC') FROM candle_late
$$;

CREATE OR REPLACE FUNCTION log_late_snapshots() RETURNS trigger LANGUAGE plpgsql AS $late$
DECLARE
    progress candle_progress;
    until timestamptz;
BEGIN
    -- Held until this transaction ends: who is about to refresh waits for it.
    PERFORM pg_advisory_xact_lock_shared(hashtext('snapshots'), 0);
    SELECT * INTO progress FROM candle_progress;
    until := greatest(progress.logged_day::timestamp AT TIME ZONE 'UTC',
        aggregated_until('hourly_aggregate'), aggregated_until('daily_aggregate'));
    INSERT INTO candle_late AS known (platform, market_id, oldest, since)
    SELECT platform, market_id, day, greatest(day, progress.raw_day)
    FROM (
        SELECT platform, market_id, (min(time) AT TIME ZONE 'UTC')::date AS day FROM inserted
        WHERE time < until GROUP BY platform, market_id
    ) AS late
    ORDER BY platform, market_id
    ON CONFLICT (platform, market_id) DO UPDATE
        SET oldest = least(known.oldest, excluded.oldest), since = least(known.since, excluded.since),
            noted_at = excluded.noted_at;
    RETURN NULL;
END
$late$;

CREATE PROCEDURE refresh_late(job_id integer, config jsonb) LANGUAGE plpgsql AS $late$
DECLARE
    start timestamptz;
    noted timestamptz;
BEGIN
    -- Whoever inserts now is waited for; whoever comes after `noted` waits for the next time.
    PERFORM pg_advisory_xact_lock(hashtext('snapshots'), 0);
    noted := clock_timestamp();
    SELECT min(since)::timestamp AT TIME ZONE 'UTC' INTO start FROM candle_late;
    COMMIT;
    IF start IS NULL THEN
        RETURN;
    END IF;
    IF aggregated_until('hourly_aggregate') > start THEN
        CALL refresh_continuous_aggregate('hourly_aggregate', start, aggregated_until('hourly_aggregate'));
    END IF;
    IF aggregated_until('daily_aggregate') > start THEN
        CALL refresh_continuous_aggregate('daily_aggregate', start, aggregated_until('daily_aggregate'));
    END IF;
    -- days from before the aggregates are upkeep's
    DELETE FROM candle_late d USING candle_progress p WHERE d.noted_at < noted AND d.oldest >= p.done_day;
END
$late$;
SELECT add_job('refresh_late', interval '15 minutes');
"""

_DONE = "(SELECT done_day FROM candle_progress)"
_DONE_AT = "(SELECT done_day::timestamp AT TIME ZONE 'UTC' FROM candle_progress)"
_KEYS = "x.platform = {0}.platform AND x.market_id = {0}.market_id"

# The counter of the last stored day before one: of a day from before the aggregates, or of theirs.
_COUNTER = f"""
(SELECT counter FROM (
    SELECT x.bucket, x.counter FROM daily_aggregate x
    WHERE {_KEYS.format("{of}")} AND x.bucket >= {_DONE_AT} AND x.bucket < {{before}}
    UNION ALL
    SELECT c.day::timestamp AT TIME ZONE 'UTC', c.counter FROM markets x JOIN candle_days c USING (number)
    WHERE {_KEYS.format("{of}")} AND c.day < {_DONE} AND c.day::timestamp AT TIME ZONE 'UTC' < {{before}}
) AS counters ORDER BY bucket DESC LIMIT 1)
"""  # noqa: S608  constants of this file

# From the aggregates, but for buckets of markets with late snapshots from `since` on.
_STORED = f"""
SELECT bucket, a.platform, a.market_id, open, high, low, close,
       CASE WHEN first_counter >= before THEN coalesce(gained, 0) + first_counter - before ELSE gained END AS volume,
       counter
FROM (
    SELECT a.*, CASE WHEN row_number() OVER market > 1 THEN lag(counter) OVER market
        ELSE {_COUNTER.format(of="a", before="date_trunc('day', a.bucket, 'UTC')")} END AS before
    FROM {{aggregate}} a WHERE a.bucket >= {_DONE_AT}
    WINDOW market AS (PARTITION BY a.platform, a.market_id ORDER BY a.bucket)
) AS a JOIN markets m ON m.platform = a.platform AND m.market_id = a.market_id
WHERE NOT EXISTS (SELECT FROM candle_late x WHERE {_KEYS.format("a")}
                  AND a.bucket >= x.since::timestamp AT TIME ZONE 'UTC')
"""  # noqa: S608

# Of markets with late snapshots from `since` on: from what snapshots say.
_LATE = f"""
SELECT date_trunc('{{period}}', time, 'UTC') AS bucket, platform, market_id,
       (array_agg(price ORDER BY time) FILTER (WHERE price IS NOT NULL))[1] AS open,
       max(price) AS high,
       min(price) AS low,
       (array_agg(price ORDER BY time DESC) FILTER (WHERE price IS NOT NULL))[1] AS close,
       sum(volume - before) FILTER (WHERE volume >= before) AS volume,
       (array_agg(volume ORDER BY time DESC))[1] AS counter
FROM (
    SELECT s.platform, s.market_id, s.time, s.price, s.volume,
           CASE WHEN row_number() OVER market > 1 THEN lag(s.volume) OVER market
           ELSE {_COUNTER.format(of="s", before="d.since::timestamp AT TIME ZONE 'UTC'")} END AS before
    FROM candle_late d JOIN market_snapshots s ON s.platform = d.platform AND s.market_id = d.market_id
        AND s.time >= d.since::timestamp AT TIME ZONE 'UTC'
    WINDOW market AS (PARTITION BY s.platform, s.market_id ORDER BY s.time)
) AS steps GROUP BY bucket, platform, market_id
"""  # noqa: S608

VIEWS = f"""
CREATE OR REPLACE VIEW candles_live AS
{_STORED.format(aggregate="hourly_aggregate")} UNION ALL {_LATE.format(period="hour")};

CREATE OR REPLACE VIEW candles_daily AS
SELECT c.day::timestamp AT TIME ZONE 'UTC' AS bucket, m.platform, m.market_id,
       c.open, c.high, c.low, c.close, c.volume
FROM markets m JOIN candle_days c USING (number)
WHERE c.day < {_DONE} AND NOT EXISTS (
    SELECT FROM candle_late d WHERE d.platform = m.platform AND d.market_id = m.market_id AND c.day >= d.since)
UNION ALL
SELECT bucket, platform, market_id, open, high, low, close, volume
FROM ({_STORED.format(aggregate="daily_aggregate")}) AS stored
UNION ALL
SELECT bucket, platform, market_id, open, high, low, close, volume FROM ({_LATE.format(period="day")}) AS late;

-- Days that were closed and not yet stored are the aggregates' now.
UPDATE candle_progress SET storage = 'aggregates', logged_day = done_day, done_number = 0;
"""  # noqa: S608

USE_TIMESCALE = f"""
CREATE FUNCTION use_timescale() RETURNS text LANGUAGE plpgsql AS $use$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        RETURN 'table';
    END IF;
    IF (SELECT storage = 'table' FROM candle_progress) THEN
        EXECUTE $sql$ {HYPERTABLE} $sql$;
        EXECUTE $sql$ {DROP_SNAPSHOTS} $sql$;
    END IF;
    IF current_setting('timescaledb.license') = 'timescale'
            AND (SELECT storage = 'hypertable' FROM candle_progress) THEN
        EXECUTE $sql$ {COUNTER_GAIN} $sql$;
        EXECUTE $sql$ {AGGREGATES} $sql$;
        EXECUTE $sql$ {POLICIES} $sql$;
        EXECUTE $sql$ {SET_AGES} $sql$;
        EXECUTE $sql$ {LATE} $sql$;
        EXECUTE $sql$ {VIEWS} $sql$;
    END IF;
    RETURN (SELECT storage FROM candle_progress);
END
$use$;
SELECT use_timescale();
"""  # noqa: S608  constants of this file


def upgrade() -> None:
    for part in (STORAGE, USE_TIMESCALE):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
