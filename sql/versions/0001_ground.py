"""Markets, snapshots, candles, patterns, insights, arbitrage, digests, accounts, billing, jobs."""

from alembic import op

revision = "0001"
down_revision = None

MARKETS = """
CREATE TABLE events (
    platform text NOT NULL CHECK (platform IN ('kalshi', 'polymarket')),
    event_id text NOT NULL,
    title text NOT NULL,
    category text,
    series text,
    mutually_exclusive boolean NOT NULL,
    exhaustive boolean,
    fee_type text,
    fee_multiplier numeric(9, 6),
    PRIMARY KEY (platform, event_id)
);

CREATE TABLE series_fees (
    series text PRIMARY KEY,
    category text,
    fee_type text,
    fee_multiplier numeric(9, 6),
    read_at timestamptz NOT NULL
);

CREATE TABLE markets (
    platform text NOT NULL CHECK (platform IN ('kalshi', 'polymarket')),
    market_id text NOT NULL,
    event_id text,
    title text NOT NULL,
    rules text NOT NULL,
    category text,
    yes_label text NOT NULL,
    no_label text NOT NULL,
    url text NOT NULL,
    open_time timestamptz,
    close_time timestamptz,
    yes_token text,
    no_token text,
    fee_kind text,
    fee_rate numeric(9, 6),
    fee_exponent numeric(9, 6),
    status text NOT NULL CHECK (status IN ('unopened', 'open', 'paused', 'closed', 'determined', 'disputed', 'final')),
    listed boolean NOT NULL DEFAULT true,
    result text CHECK (result IN ('yes', 'no', 'scalar')),
    payout numeric(9, 6) CHECK (payout BETWEEN 0 AND 1),
    settled_at timestamptz,
    terms_digest bigint NOT NULL,
    raw_data jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL,
    terms_seen_at timestamptz NOT NULL,
    status_seen_at timestamptz NOT NULL,
    search tsvector GENERATED ALWAYS AS (to_tsvector('english', left(title, 2000))) STORED,
    PRIMARY KEY (platform, market_id),
    CHECK (payout IS NULL OR status = 'final')
);
CREATE INDEX markets_search ON markets USING gin (search);
CREATE INDEX markets_raw ON markets USING gin (raw_data jsonb_path_ops);
CREATE INDEX markets_event ON markets (platform, event_id);
CREATE INDEX markets_unsettled ON markets (platform, close_time) WHERE status <> 'final';

CREATE TABLE market_snapshots (
    time timestamptz NOT NULL,
    market_id text NOT NULL,
    platform text NOT NULL,
    price numeric(9, 6) CHECK (price BETWEEN 0 AND 1),
    volume numeric(20, 4) CHECK (volume >= 0),
    yes_price numeric(9, 6) CHECK (yes_price BETWEEN 0 AND 1),
    no_price numeric(9, 6) CHECK (no_price BETWEEN 0 AND 1),
    last_price numeric(9, 6) CHECK (last_price BETWEEN 0 AND 1),
    open_interest numeric(20, 4),
    liquidity numeric(20, 4),
    backfilled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (platform, market_id, time)
);
CREATE INDEX market_snapshots_time ON market_snapshots USING brin (time);

-- One row a market: what a collect run compares with, and the database's answer when the price cache is away.
CREATE TABLE market_latest (
    platform text NOT NULL,
    market_id text NOT NULL,
    time timestamptz NOT NULL,
    price numeric(9, 6),
    yes_price numeric(9, 6),
    no_price numeric(9, 6),
    last_price numeric(9, 6),
    volume numeric(20, 4),
    volume_24h numeric(20, 4),
    open_interest numeric(20, 4),
    liquidity numeric(20, 4),
    yes_size numeric(20, 4),
    no_size numeric(20, 4),
    PRIMARY KEY (platform, market_id)
) WITH (fillfactor = 80);
"""

# A candle's volume is what the cumulative counter gained since the snapshot before; a counter that fell was reset.
CANDLES = """
CREATE VIEW candles_hourly AS
SELECT bucket, platform, market_id,
       (array_agg(price ORDER BY time) FILTER (WHERE price IS NOT NULL))[1] AS open,
       max(price) AS high,
       min(price) AS low,
       (array_agg(price ORDER BY time DESC) FILTER (WHERE price IS NOT NULL))[1] AS close,
       sum(gained) AS volume
FROM (
    SELECT date_trunc('hour', time, 'UTC') AS bucket, platform, market_id, time, price,
           CASE WHEN volume >= lag(volume) OVER w THEN volume - lag(volume) OVER w END AS gained
    FROM market_snapshots
    WINDOW w AS (PARTITION BY platform, market_id ORDER BY time)
) AS steps
GROUP BY bucket, platform, market_id;

CREATE VIEW candles_daily AS
SELECT bucket, platform, market_id,
       (array_agg(price ORDER BY time) FILTER (WHERE price IS NOT NULL))[1] AS open,
       max(price) AS high,
       min(price) AS low,
       (array_agg(price ORDER BY time DESC) FILTER (WHERE price IS NOT NULL))[1] AS close,
       sum(gained) AS volume
FROM (
    SELECT date_trunc('day', time, 'UTC') AS bucket, platform, market_id, time, price,
           CASE WHEN volume >= lag(volume) OVER w THEN volume - lag(volume) OVER w END AS gained
    FROM market_snapshots
    WINDOW w AS (PARTITION BY platform, market_id ORDER BY time)
) AS steps
GROUP BY bucket, platform, market_id;
"""

ANALYSIS = """
CREATE TABLE patterns (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    detected_at timestamptz NOT NULL,
    platform text NOT NULL,
    market_id text NOT NULL,
    event_id text,
    category text,
    detector text NOT NULL,
    score numeric(5, 1) NOT NULL CHECK (score BETWEEN 0 AND 100),
    numbers jsonb NOT NULL,
    UNIQUE (platform, market_id, detector, detected_at)
);
CREATE INDEX patterns_recent ON patterns (detected_at DESC, score DESC);

CREATE TABLE pairs (
    kalshi_market_id text NOT NULL,
    polymarket_market_id text NOT NULL,
    relation text NOT NULL,
    same_side boolean NOT NULL,
    confidence numeric(4, 3) NOT NULL,
    settlement_risk text NOT NULL CHECK (settlement_risk IN ('SAFE', 'CAUTION', 'BLOCK')),
    reasons jsonb NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (kalshi_market_id, polymarket_market_id)
);

CREATE TABLE arbitrage_opportunities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    opportunity_type text NOT NULL
        CHECK (opportunity_type IN ('CROSS_PLATFORM', 'RELATED_MARKET', 'TEMPORAL', 'HEDGE')),
    kalshi_market_id text NOT NULL,
    polymarket_market_id text NOT NULL,
    description text NOT NULL,
    edge_percentage numeric(7, 3) NOT NULL,
    net_edge_usd numeric(14, 4) NOT NULL,
    cost_usd numeric(14, 4) NOT NULL,
    shares numeric(14, 4) NOT NULL,
    execution_steps jsonb NOT NULL,
    risks jsonb NOT NULL,
    settlement_risk text NOT NULL,
    confidence_score numeric(5, 1),
    quoted_at timestamptz NOT NULL,
    first_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'expired', 'withdrawn')),
    UNIQUE (kalshi_market_id, polymarket_market_id, quoted_at)
);
CREATE INDEX arbitrage_active ON arbitrage_opportunities (expires_at DESC) WHERE status = 'active';

CREATE TABLE ai_insights (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    platform text NOT NULL,
    market_id text NOT NULL,
    market_title text NOT NULL,
    pattern_type text NOT NULL,
    pattern_score numeric(5, 1) NOT NULL,
    category text,
    ai_recommendation text NOT NULL CHECK (ai_recommendation IN ('STRONG_BET', 'GOOD_BET', 'CAUTION', 'AVOID')),
    confidence_score numeric(5, 1) CHECK (confidence_score BETWEEN 0 AND 100),
    confidence_basis text NOT NULL,
    win_probability numeric(9, 6) CHECK (win_probability BETWEEN 0 AND 1),
    one_liner text NOT NULL,
    reasoning text NOT NULL,
    risk_factors jsonb NOT NULL,
    suggested_position text NOT NULL CHECK (suggested_position IN ('YES', 'NO', 'WAIT')),
    edge_explanation text NOT NULL,
    time_sensitivity text NOT NULL CHECK (time_sensitivity IN ('ACT_NOW', 'HOURS', 'DAYS', 'WEEKS')),
    net_edge_cents numeric(9, 4),
    evidence jsonb NOT NULL,
    evidence_digest bigint NOT NULL,
    answer jsonb NOT NULL,
    price_at_emission numeric(9, 6),
    yes_price_at_emission numeric(9, 6),
    no_price_at_emission numeric(9, 6),
    model text NOT NULL,
    prompt_version text NOT NULL,
    prompt_tokens integer NOT NULL,
    cached_tokens integer NOT NULL,
    completion_tokens integer NOT NULL,
    cost_usd numeric(12, 8) NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'expired', 'superseded')),
    ended_at timestamptz,
    FOREIGN KEY (platform, market_id) REFERENCES markets (platform, market_id)
);
CREATE UNIQUE INDEX ai_insights_one_alive ON ai_insights (platform, market_id) WHERE status = 'active';
CREATE INDEX ai_insights_recent ON ai_insights (created_at DESC);
CREATE INDEX ai_insights_category ON ai_insights (category, confidence_score DESC, created_at DESC);
CREATE INDEX ai_insights_actionable ON ai_insights (confidence_score DESC, created_at DESC)
    WHERE confidence_score > 60 AND net_edge_cents > 0;

CREATE TABLE withheld_insights (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL,
    platform text NOT NULL,
    market_id text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    model text NOT NULL,
    cost_usd numeric(12, 8) NOT NULL
);
CREATE INDEX withheld_insights_at ON withheld_insights (at);

CREATE TABLE digests (
    day date PRIMARY KEY,
    created_at timestamptz NOT NULL,
    top_picks jsonb NOT NULL,
    avoid_list jsonb NOT NULL,
    market_sentiment text NOT NULL,
    arbitrage_opportunities jsonb NOT NULL,
    watchlist jsonb NOT NULL,
    insight_ids uuid[] NOT NULL,
    model text NOT NULL
);
"""

ACCOUNTS = """
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL CHECK (email = lower(email)),
    password_hash text,
    email_verified_at timestamptz,
    tier text NOT NULL DEFAULT 'free' CHECK (tier IN ('free', 'basic', 'premium', 'pro')),
    stripe_customer_id text UNIQUE,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE UNIQUE INDEX users_email ON users (email) WHERE deleted_at IS NULL;

CREATE TABLE api_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    prefix text NOT NULL,
    secret_sha256 bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE TABLE subscriptions (
    stripe_subscription_id text PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    status text NOT NULL,
    tier text NOT NULL CHECK (tier IN ('free', 'basic', 'premium', 'pro')),
    current_period_end timestamptz,
    told_at timestamptz NOT NULL
);
CREATE INDEX subscriptions_user ON subscriptions (user_id);

CREATE TABLE stripe_events (
    id text PRIMARY KEY,
    type text NOT NULL,
    created_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    handled_at timestamptz,
    parked_because text,
    body jsonb NOT NULL
);
CREATE INDEX stripe_events_open ON stripe_events (received_at) WHERE handled_at IS NULL;

CREATE TABLE tier_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at timestamptz NOT NULL,
    from_tier text NOT NULL,
    to_tier text NOT NULL,
    cause text NOT NULL
);
"""

JOBS = """
CREATE TABLE job_leases (
    job text PRIMARY KEY,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE job_runs (
    id uuid PRIMARY KEY,
    job text NOT NULL,
    holder text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    seconds double precision,
    status text NOT NULL CHECK (status IN ('running', 'ok', 'failed')),
    summary jsonb,
    error text
);
CREATE INDEX job_runs_recent ON job_runs (job, started_at DESC);
"""


def upgrade() -> None:
    for part in (MARKETS, CANDLES, ANALYSIS, ACCOUNTS, JOBS):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
