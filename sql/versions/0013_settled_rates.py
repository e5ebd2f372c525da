"""What prices came to, by category, hours to the close and price."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE settled_rates (
            version smallint NOT NULL,
            as_of timestamptz NOT NULL,
            category text NOT NULL,
            horizon smallint NOT NULL,
            band smallint NOT NULL,
            gap double precision NOT NULL,
            error double precision NOT NULL,
            count double precision NOT NULL,
            proved boolean NOT NULL,
            PRIMARY KEY (as_of, version, category, horizon, band)
        )
        """
    )


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
