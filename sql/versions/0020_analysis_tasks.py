"""Candidates that workers analyse out of a queue, and when each call to the analyst was made and ended."""

from alembic import op

revision = "0020"
down_revision = "0019"

# A message may come twice, or again after its worker was killed: `times` counts how often one began with it.
TASKS = """
CREATE TABLE analysis_tasks (
    run timestamptz NOT NULL,
    platform text NOT NULL,
    market_id text NOT NULL,
    detector text NOT NULL,
    free_at timestamptz NOT NULL,
    times integer NOT NULL DEFAULT 1,
    ended_at timestamptz,
    outcome text,
    PRIMARY KEY (run, platform, market_id, detector),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
"""

# By the database's clock, which all that share a minute's limits read. `at` is when the run began.
CALLS = """
ALTER TABLE ai_calls
    ADD COLUMN reserved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN ended_at timestamptz;
CREATE INDEX ai_calls_reserved ON ai_calls (reserved_at);
"""


def upgrade() -> None:
    for part in (TASKS, CALLS):
        op.execute(part)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
