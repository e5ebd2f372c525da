"""When a run began by the database's clock, which all hosts share."""

from alembic import op

revision = "0016"
down_revision = "0015"

COLUMNS = """
ALTER TABLE job_runs ADD COLUMN began_at timestamptz;
UPDATE job_runs SET began_at = started_at;
ALTER TABLE job_runs ALTER COLUMN began_at SET DEFAULT clock_timestamp(), ALTER COLUMN began_at SET NOT NULL;
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
