"""Every call to the analyst with its cost, what it was asked in full, and deep analyses that nobody had to ask for."""

from alembic import op

revision = "0015"
down_revision = "0014"

# A call is written before it is made, at the most that it can cost; a run that was killed leaves it so.
CALLS = """
CREATE TABLE ai_calls (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL,
    run text NOT NULL,
    part text NOT NULL CHECK (part IN ('insights', 'deep', 'requests')),
    platform text NOT NULL,
    market_id text NOT NULL,
    model text NOT NULL,
    prompt_version text NOT NULL,
    evidence_digest bigint NOT NULL,
    reserved_usd numeric(12, 8) NOT NULL,
    reserved_tokens integer NOT NULL,
    cost_usd numeric(12, 8),
    prompt_tokens integer,
    cached_tokens integer,
    completion_tokens integer,
    outcome text NOT NULL DEFAULT 'open'
        CHECK (outcome IN ('open', 'answered', 'published', 'withheld', 'rejected', 'unavailable'))
);
CREATE INDEX ai_calls_at ON ai_calls (at);
CREATE INDEX ai_calls_evidence ON ai_calls (evidence_digest) WHERE outcome = 'withheld';

-- Until when a model's service asked to be left alone, beyond the end of the run that it told.
CREATE TABLE ai_pauses (
    model text PRIMARY KEY,
    until timestamptz NOT NULL,
    reason text NOT NULL
);
"""

# The words that an answer was asked with, once for each wording: an insight's can be shown when they have changed.
PROMPTS = """
CREATE TABLE ai_prompts (
    digest bigint PRIMARY KEY,
    version text NOT NULL,
    system text NOT NULL,
    first_used_at timestamptz NOT NULL
);
ALTER TABLE ai_insights
    ADD COLUMN inputs jsonb,
    ADD COLUMN prompt_digest bigint REFERENCES ai_prompts (digest);
CREATE INDEX ai_insights_evidence ON ai_insights (evidence_digest, created_at DESC);
"""

ANALYSES = """
-- Null: of a run's best insights, for all.
ALTER TABLE analyses ALTER COLUMN user_id DROP NOT NULL;
ALTER TABLE analyses
    ADD COLUMN evidence_digest bigint,
    ADD COLUMN model text,
    ADD COLUMN prompt_version text,
    ADD COLUMN inputs jsonb,
    ADD COLUMN prompt_tokens integer,
    ADD COLUMN cached_tokens integer,
    ADD COLUMN completion_tokens integer,
    ADD COLUMN cost_usd numeric(12, 8);
CREATE UNIQUE INDEX analyses_own_open ON analyses (platform, market_id)
    WHERE user_id IS NULL AND status IN ('queued', 'running');
"""


def upgrade() -> None:
    for part in (CALLS, PROMPTS, ANALYSES):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
