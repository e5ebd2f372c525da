"""While upkeep does not run, the database drops old snapshots as upkeep would: noted, and only what aggregates hold.

The retention policy of 0021 noted nothing: a late snapshot of a day that it had dropped then took all other markets'
candles of its hour and day with it, when it was refreshed.
"""

from alembic import op

revision = "0023"
down_revision = "0022"

DROP_UNATTENDED = """
SELECT remove_retention_policy('market_snapshots', if_exists => true);

CREATE PROCEDURE drop_unattended(job_id integer, config jsonb) LANGUAGE plpgsql AS $drop$
DECLARE
    until timestamptz;
BEGIN
    -- Whoever inserts now is waited for: what is late is noted before its day goes.
    PERFORM pg_advisory_xact_lock(hashtext('snapshots'), 0);
    until := date_trunc('day', least(now() - (config ->> 'drop_after')::interval, candles_stored_until()), 'UTC');
    UPDATE candle_progress SET raw_day = greatest(raw_day, (until AT TIME ZONE 'UTC')::date);
    PERFORM drop_snapshots(until);
END
$drop$;
SELECT add_job('drop_unattended', interval '1 day', config => '{"drop_after": "8 days"}');
"""

# As in 0021, but for the job that drops snapshots, which is no policy.
SET_AGES = """
CREATE OR REPLACE FUNCTION set_snapshot_ages(snapshot_days integer, columnstore_days integer, hourly_days integer,
    daily_days integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $ages$
    WITH kept AS (
        SELECT greatest(3, least(snapshot_days + 1, current_date - nullif(raw_day, '-infinity'))) AS raw_days
        FROM candle_progress
    ), wanted AS (
        SELECT relation, name, days || ' days' AS age FROM kept CROSS JOIN LATERAL (VALUES
            ('drop_unattended', 'drop_after', greatest(4, snapshot_days) + 1),
            ('market_snapshots', 'compress_after', columnstore_days),
            ('hourly_aggregate', 'start_offset', raw_days),
            ('hourly_aggregate', 'compress_after', greatest(columnstore_days, snapshot_days + 1) + 1),
            ('hourly_aggregate', 'drop_after', hourly_days),
            ('daily_aggregate', 'start_offset', raw_days),
            ('daily_aggregate', 'drop_after', daily_days)
        ) AS ages (relation, name, days)
    )
    SELECT alter_job(job_id, config_merge => jsonb_build_object(wanted.name, age))
    FROM timescaledb_information.jobs JOIN wanted
        ON relation = coalesce(hypertable_name, proc_name) AND config ? wanted.name
    WHERE (config ->> wanted.name)::interval <> age::interval
$ages$;
"""

USE_TIMESCALE = f"""
ALTER FUNCTION use_timescale() RENAME TO use_timescale_of_0021;
CREATE FUNCTION use_timescale() RETURNS text LANGUAGE plpgsql AS $use$
DECLARE
    storage text := use_timescale_of_0021();
BEGIN
    IF storage = 'aggregates' AND to_regproc('drop_unattended') IS NULL THEN
        EXECUTE $sql$ {DROP_UNATTENDED} $sql$;
        EXECUTE $sql$ {SET_AGES} $sql$;
    END IF;
    RETURN storage;
END
$use$;
SELECT use_timescale();
"""


def upgrade() -> None:
    op.execute(USE_TIMESCALE)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
