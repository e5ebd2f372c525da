"""Which pairs the titles let through to their rules; all are judged again, by the stricter gate."""

from alembic import op

revision = "0014"
down_revision = "0013"

STATEMENTS: tuple[str, ...] = (
    # Whether nothing but the rules can keep the pair from being priced: what they block is worth telling, what only
    # resembles is not. A verdict of the gate before this one stands no more.
    """
    ALTER TABLE pairs ADD COLUMN passes_titles boolean NOT NULL DEFAULT false
    """,
    "UPDATE pairs SET may_be_priced = false, kalshi_digest = NULL, polymarket_digest = NULL",
    "UPDATE match_terms SET terms_digest = NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("restore from the backup taken before the deployment")
