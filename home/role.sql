-- The role that a home server's jobs (collect, settle, upkeep, analyze, requests, digest, base-rates, grade) connect as. It reads and
-- writes markets and what is told about them; of accounts, payments and sessions it sees nothing, and it owns nothing.
--   psql "$ADMIN_URL" -v password="$(openssl rand -hex 24)" -f home/role.sql
-- Run it again after every migration: a table that is not named here is closed to it.
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE oddwons_jobs' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'oddwons_jobs') \gexec
ALTER ROLE oddwons_jobs LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    CONNECTION LIMIT 20 PASSWORD :'password';
ALTER ROLE oddwons_jobs SET statement_timeout = '15min';
ALTER ROLE oddwons_jobs SET idle_in_transaction_session_timeout = '15min';
SELECT format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO oddwons_jobs', current_database()) \gexec

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO oddwons_jobs;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM oddwons_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    ai_calls, ai_insights, ai_pauses, ai_prompts, analyses, analysis_funnels, analysis_tasks, arbitrage_lives,
    arbitrage_near_misses, arbitrage_opportunities, backfilled_days, backfills, base_rates, bundle_analyses,
    calibrations, candle_days, candle_hours, candle_late, candle_progress, digests, events, fee_changes,
    history_columns, insight_grades, job_leases, job_runs,
    market_books, market_latest, market_snapshots, market_terms_history, markets, match_keys, match_terms,
    outcome_changes, outcome_rereads, pairs, patterns, rate_moments, rate_progress, series_fees, settle_askings,
    settled_rates, settled_reads, venue_sweeps, withheld_insights
TO oddwons_jobs;
-- Of accounts upkeep forgets what is over by a function, and sees nothing.
GRANT EXECUTE ON FUNCTION forget(text, int, int) TO oddwons_jobs;
GRANT SELECT ON candle_days_live, candles_daily, candles_hourly, candles_live TO oddwons_jobs;
-- Where TimescaleDB stores snapshots: its aggregates are read, its chunks and policies are changed by functions only.
SELECT format('GRANT SELECT ON %I TO oddwons_jobs', name) FROM unnest('{hourly_aggregate, daily_aggregate}'::text[]) AS name
WHERE to_regclass(name) IS NOT NULL \gexec
SELECT format('GRANT EXECUTE ON FUNCTION %s TO oddwons_jobs', oid::regprocedure) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proname IN ('drop_snapshots', 'set_snapshot_ages') \gexec
-- Upkeep vacuums what it empties; before PostgreSQL 17 that is left to autovacuum.
SELECT format('GRANT MAINTAIN ON %I TO oddwons_jobs', table_name) FROM information_schema.role_table_grants
WHERE grantee = 'oddwons_jobs' AND privilege_type = 'DELETE' AND table_schema = 'public'
    AND current_setting('server_version_num')::int >= 170000 \gexec
