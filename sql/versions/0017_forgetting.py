"""A role that may run upkeep, and see no account, forgets through a function that can do nothing else."""

from alembic import op

revision = "0017"
down_revision = "0016"

# Deletes at most so many rows that have been over for so many days; of an event only what it said. A row that somebody
# else holds is in use: it may be another by the time it is free. Time is the real one.
FORGET = """
CREATE FUNCTION forget(what text, days int, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before timestamptz := now() - make_interval(days => greatest(days, 0));
    gone bigint;
BEGIN
    IF what = 'stripe_events' THEN
        -- One that is open is still to be looked at. Its name stays: a copy that comes later is known by it.
        UPDATE stripe_events SET body = '{}' WHERE ctid = ANY(ARRAY(
            SELECT t.ctid FROM stripe_events t WHERE t.handled_at < before AND t.body <> '{}'
            LIMIT most FOR UPDATE SKIP LOCKED));
    ELSIF what = 'sessions' THEN
        DELETE FROM sessions WHERE ctid = ANY(ARRAY(
            SELECT t.ctid FROM sessions t WHERE t.expires_at < before LIMIT most FOR UPDATE SKIP LOCKED));
    ELSIF what = 'mail_tokens' THEN
        DELETE FROM mail_tokens WHERE ctid = ANY(ARRAY(
            SELECT t.ctid FROM mail_tokens t WHERE t.expires_at < before LIMIT most FOR UPDATE SKIP LOCKED));
    ELSIF what = 'users' THEN
        -- Whoever typed the address never showed that it is theirs, so there was never a session, a key or a customer.
        DELETE FROM users WHERE ctid = ANY(ARRAY(
            SELECT t.ctid FROM users t WHERE t.email_verified_at IS NULL AND t.deleted_at IS NULL
                AND t.stripe_customer_id IS NULL AND t.created_at < before
                AND NOT EXISTS (SELECT FROM mail_tokens m WHERE m.user_id = t.id)
            LIMIT most FOR UPDATE SKIP LOCKED));
    ELSE
        RAISE EXCEPTION 'nothing is forgotten of %', what;
    END IF;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$
"""


def upgrade() -> None:
    op.execute(FORGET)
    op.execute("REVOKE EXECUTE ON FUNCTION forget(text, int, int) FROM PUBLIC")


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
