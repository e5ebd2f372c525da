"""Sessions, one-time links, keys with names, analyses on request, and indexes for reading."""

from alembic import op

revision = "0010"
down_revision = "0009"

ACCOUNTS = """
-- Access tokens made before it do not count: moved by a new password.
ALTER TABLE users ADD COLUMN tokens_from timestamptz;

ALTER TABLE api_keys ADD COLUMN name text NOT NULL DEFAULT '';
CREATE INDEX api_keys_user ON api_keys (user_id);

CREATE TABLE sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Each is good for one use. One that comes a second time was stolen, or its thief was faster: the session ends.
CREATE TABLE refresh_tokens (
    secret_sha256 bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

-- Sent by mail: proves that who holds it reads that address.
CREATE TABLE mail_tokens (
    secret_sha256 bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('verify', 'reset')),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX mail_tokens_user ON mail_tokens (user_id);
"""

ANALYSES = """
CREATE TABLE analyses (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    platform text NOT NULL,
    market_id text NOT NULL,
    question text,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'done', 'withheld', 'failed')),
    requested_at timestamptz NOT NULL,
    ended_at timestamptz,
    result jsonb,
    reason text,
    FOREIGN KEY (platform, market_id) REFERENCES markets (platform, market_id) ON DELETE CASCADE
);
CREATE INDEX analyses_user ON analyses (user_id, requested_at DESC, id);
CREATE INDEX analyses_open ON analyses (requested_at) WHERE status IN ('queued', 'running');
CREATE INDEX analyses_market ON analyses (platform, market_id);
CREATE INDEX analyses_done ON analyses (ended_at DESC) WHERE status = 'done';
"""

# An insight stands from `created_at` until the earlier of its two ends (least ignores nulls), so that one index over
# the ends finds those alive at a moment however many are stored.
READING = """
CREATE INDEX ai_insights_end ON ai_insights (least(expires_at, ended_at), id);
CREATE INDEX ai_insights_category_end ON ai_insights (category, least(expires_at, ended_at));
DROP INDEX ai_insights_category;
CREATE INDEX arbitrage_end ON arbitrage_opportunities (least(expires_at, withdrawn_at));
CREATE INDEX markets_open ON markets (number DESC) WHERE status = 'open' AND listed;
CREATE INDEX digests_made ON digests (created_at);
"""


def upgrade() -> None:
    for part in (ACCOUNTS, ANALYSES, READING):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
