"""What insights came to, what the model's numbers are worth by that, and both numbers as the model gave them."""

from alembic import op

revision = "0019"
down_revision = "0018"

# Written once: where a venue replaces an outcome another row follows, so that what was known at a time can be told. No
# foreign key: the record stands by itself, and nothing else of ours stops an insight's removal.
GRADES = """
CREATE TABLE insight_grades (
    insight_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('outcome', 'sale')),
    graded_at timestamptz NOT NULL,
    payout numeric(9, 6) CHECK (payout BETWEEN 0 AND 1),
    net_cents numeric(9, 4),
    why text NOT NULL,
    PRIMARY KEY (insight_id, kind, graded_at)
);
CREATE INDEX insight_grades_at ON insight_grades (graded_at);
"""

CALIBRATIONS = """
CREATE TABLE calibrations (
    as_of timestamptz NOT NULL,
    model text NOT NULL,
    insights integer NOT NULL,
    events integer NOT NULL,
    weight double precision NOT NULL,
    low double precision NOT NULL,
    high double precision NOT NULL,
    log_evidence double precision NOT NULL,
    proved boolean NOT NULL,
    brier_price double precision,
    brier_raw double precision,
    brier_served double precision,
    published integer NOT NULL,
    silent integer NOT NULL,
    parroted integer NOT NULL,
    PRIMARY KEY (model, as_of)
);
"""

# Of insights from before this, `confidence_score` is the model's own number, as their basis says.
INSIGHTS = """
ALTER TABLE ai_insights
    ADD COLUMN raw_win_probability numeric(9, 6),
    ADD COLUMN raw_confidence_score numeric(5, 1),
    ADD COLUMN win_baseline numeric(9, 6) CHECK (win_baseline > 0 AND win_baseline < 1),
    ADD COLUMN win_probability_basis text NOT NULL DEFAULT 'unproven: not calibrated on outcomes (n = 0)';
UPDATE ai_insights SET raw_win_probability = (answer ->> 'win_probability')::numeric,
    raw_confidence_score = (answer ->> 'confidence_score')::numeric;
"""


def upgrade() -> None:
    for part in (GRADES, CALIBRATIONS, INSIGHTS):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
