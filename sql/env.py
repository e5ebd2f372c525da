"""Runs the migrations on DATABASE_URL. Plain SQL in numbered revisions: there are no mapped classes to compare with."""

import os

import sqlalchemy
from alembic import context

url = os.environ.get("DATABASE_URL", "")
if not url.startswith(("postgresql://", "postgres://")):
    raise SystemExit("environment: DATABASE_URL: must start with postgresql://")

# psycopg takes several statements in one execute, which asyncpg's prepared statements don't.
engine = sqlalchemy.create_engine(
    "postgresql+psycopg://", creator=lambda: __import__("psycopg").connect(url, connect_timeout=10)
)
with engine.connect() as connection:
    # Two deployments migrating at once would race: the second waits here.
    connection.exec_driver_sql("SELECT pg_advisory_lock(726001)")
    connection.commit()
    context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
