"""What the analyst says of bundles and of the day, what each was made from, and why a digest is without it."""

from alembic import op

revision = "0018"
down_revision = "0017"

CALLS = """
ALTER TABLE ai_calls
    DROP CONSTRAINT ai_calls_part_check,
    ADD CHECK (part IN ('insights', 'deep', 'requests', 'bundles', 'digest'));
"""

# One verdict for each wording of the legs' rules: it stands until a rules text changes, whatever the prices do.
BUNDLES = """
CREATE TABLE bundle_analyses (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    rules_digest bigint NOT NULL,
    bundle_key text NOT NULL,
    prompt_version text NOT NULL,
    prompt_digest bigint NOT NULL REFERENCES ai_prompts (digest),
    settlement_risk text NOT NULL CHECK (settlement_risk IN ('SAFE', 'CAUTION', 'BLOCK')),
    answer jsonb NOT NULL,
    evidence jsonb NOT NULL,
    inputs jsonb NOT NULL,
    model text NOT NULL,
    prompt_tokens integer NOT NULL,
    cached_tokens integer NOT NULL,
    completion_tokens integer NOT NULL,
    cost_usd numeric(12, 8) NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (rules_digest, prompt_version)
);
CREATE INDEX bundle_analyses_made ON bundle_analyses (created_at);
-- `pays_if`: the condition on which the bundle pays. `analysis`: what of the analyst's texts holds for this quote; null
-- where the analyst has not been asked, or what it said was withheld.
ALTER TABLE arbitrage_opportunities
    ADD COLUMN pays_if text NOT NULL DEFAULT '',
    ADD COLUMN analysis jsonb,
    ADD COLUMN analysis_id uuid REFERENCES bundle_analyses (id) ON DELETE SET NULL;
CREATE INDEX arbitrage_analysed ON arbitrage_opportunities (analysis_id) WHERE analysis_id IS NOT NULL;
"""

# `without_ai`: why rules wrote the digest; null where the analyst did.
DIGESTS = """
ALTER TABLE digests
    ADD COLUMN without_ai text,
    ADD COLUMN answer jsonb,
    ADD COLUMN inputs jsonb,
    ADD COLUMN prompt_version text,
    ADD COLUMN prompt_digest bigint REFERENCES ai_prompts (digest),
    ADD COLUMN prompt_tokens integer,
    ADD COLUMN cached_tokens integer,
    ADD COLUMN completion_tokens integer,
    ADD COLUMN cost_usd numeric(12, 8);
UPDATE digests SET without_ai = 'the analyst did not write digests yet';
"""


def upgrade() -> None:
    for part in (CALLS, BUNDLES, DIGESTS):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
