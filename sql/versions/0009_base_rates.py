"""Base rates: moments replayed from history, the rates measured from them, and the funnel of each analyze run."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS: tuple[str, ...] = (
    # When a detector spoke, or ('') none did, and what the price did afterwards. No foreign key to markets: their rows
    # go 30 days after their end, the moments stay.
    """
    CREATE TABLE rate_moments (
        version smallint NOT NULL,
        at timestamptz NOT NULL,
        number integer NOT NULL,
        detector text NOT NULL,
        category text NOT NULL,
        cluster text NOT NULL,
        side smallint NOT NULL CHECK (side BETWEEN -1 AND 1),
        score real NOT NULL,
        price real NOT NULL,
        closeness smallint NOT NULL,
        activity smallint NOT NULL,
        due timestamptz,
        cost_trade real,
        cost_hold real,
        moved_1h real,
        moved_6h real,
        moved_24h real,
        payout real,
        settled_at timestamptz,
        PRIMARY KEY (version, at, number, detector)
    )
    """,
    # Up to which hour history was replayed, and every market's price 72 hours before it (packed like a column).
    """
    CREATE TABLE rate_progress (
        version smallint PRIMARY KEY,
        replayed_to timestamptz NOT NULL,
        state bytea NOT NULL
    )
    """,
    """
    CREATE TABLE base_rates (
        version smallint NOT NULL,
        as_of timestamptz NOT NULL,
        detector text NOT NULL,
        category text NOT NULL,
        horizon text NOT NULL CHECK (horizon IN ('1h', '6h', '24h', 'settlement')),
        band smallint NOT NULL,
        n integer NOT NULL,
        effective double precision NOT NULL,
        rate double precision NOT NULL,
        low double precision NOT NULL,
        high double precision NOT NULL,
        matched_rate double precision,
        lift double precision,
        shrunk_lift double precision,
        move double precision,
        net double precision,
        matched_net double precision,
        lift_move double precision,
        shrunk_net double precision,
        q_lift double precision,
        q_edge double precision,
        verdict text NOT NULL CHECK (verdict IN ('edge', 'lift', 'adverse', 'unproven')),
        why text NOT NULL,
        PRIMARY KEY (as_of, version, detector, category, band, horizon)
    )
    """,
    """
    CREATE TABLE analysis_funnels (
        at timestamptz PRIMARY KEY,
        markets integer NOT NULL,
        detected integer NOT NULL,
        scored integer NOT NULL,
        selected integer NOT NULL,
        analyzed integer NOT NULL,
        published integer NOT NULL,
        dropped jsonb NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
