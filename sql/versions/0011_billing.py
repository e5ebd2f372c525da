"""Access that ends by itself, syncs that cannot overtake each other, events by customer."""

from alembic import op

revision = "0011"
down_revision = "0010"

# `tier` holds until `tier_until` (null: without end), so that what ends by time needs nobody to write.
# A sync takes a number from `billing_asked` before it asks Stripe, and leaves it in `billing_applied`.
COLUMNS = """
ALTER TABLE users
    ADD COLUMN tier_until timestamptz,
    ADD COLUMN billing_asked bigint NOT NULL DEFAULT 0,
    ADD COLUMN billing_applied bigint NOT NULL DEFAULT 0;

ALTER TABLE subscriptions
    ADD COLUMN access_until timestamptz,
    ADD COLUMN cancel_at timestamptz,
    ADD COLUMN price_ids text[] NOT NULL DEFAULT '{}';

-- What was told before this revision is believed until the first reconciling; nobody loses what they paid for.
UPDATE subscriptions SET access_until = greatest(current_period_end, now()) + interval '7 days'
WHERE status IN ('trialing', 'active', 'past_due');

ALTER TABLE stripe_events ADD COLUMN customer_id text;
-- Those that were parked before this revision are open, as parked ones are from now on.
UPDATE stripe_events SET handled_at = NULL WHERE parked_because IS NOT NULL;

CREATE INDEX tier_changes_user ON tier_changes (user_id, at);
CREATE INDEX users_tier_ends ON users (tier_until) WHERE tier_until IS NOT NULL;
"""

# The only place that says what a user's tier is at a moment.
TIER_AT = """
CREATE FUNCTION tier_at(u users, at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN u.tier_until IS NULL OR at < u.tier_until THEN u.tier ELSE coalesce((
        SELECT s.tier FROM subscriptions s WHERE s.user_id = u.id AND s.access_until > at
        ORDER BY array_position(ARRAY['pro', 'premium', 'basic', 'free'], s.tier) LIMIT 1), 'free') END
$$;
"""


def upgrade() -> None:
    for part in (COLUMNS, TIER_AT):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
