"""What is forgotten of accounts and billing, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core import db
from core.queries import billing, signing_in
from core.queries.forgetting import Forgotten, forget

DAY = timedelta(days=1)
LONG_AGO = datetime.now(UTC) - 40 * DAY


async def night(connection: db.Connection, table: Forgotten, days: int = 30) -> int:
    return await forget(connection, table, days, 1_000, 10.0)


async def insert_event(connection: db.Connection, name: str, received: datetime, *, handled: bool) -> None:
    await billing.insert_event(
        connection, name, "invoice.paid", "cus_1", received, received, {"email": "a@example.com"}
    )
    if handled:
        await billing.mark_event_handled(connection, name, received)


async def test_a_handled_events_words_go_and_its_name_stays_so_that_a_copy_is_known(connection: db.Connection) -> None:
    await insert_event(connection, "evt_old", LONG_AGO, handled=True)
    await insert_event(connection, "evt_new", LONG_AGO + 20 * DAY, handled=True)
    await insert_event(connection, "evt_open", LONG_AGO, handled=False)
    assert await night(connection, "stripe_events") == 1
    assert await night(connection, "stripe_events") == 0
    rows = await connection.fetch("SELECT id, body <> '{}' FROM stripe_events ORDER BY id")
    assert [tuple(row) for row in rows] == [("evt_new", True), ("evt_old", False), ("evt_open", True)]
    copy = await billing.insert_event(connection, "evt_old", "invoice.paid", "cus_1", LONG_AGO, LONG_AGO, {"a": 1})
    assert not copy, "handled before"


async def test_sessions_and_links_go_when_their_time_is_over(connection: db.Connection) -> None:
    user = await signing_in.register(connection, "a@example.com", "hash", LONG_AGO)
    assert user is not None
    for life, secret in ((DAY, b"1"), (60 * DAY, b"2")):
        await signing_in.insert_mail_token(connection, user, "reset", secret, LONG_AGO + life)
        await connection.execute(
            "WITH s AS (INSERT INTO sessions (user_id, created_at, expires_at) VALUES ($1::uuid, $2, $3) RETURNING id) "
            "INSERT INTO refresh_tokens SELECT $4, id FROM s",
            user,
            LONG_AGO,
            LONG_AGO + life,
            secret,
        )
    assert await night(connection, "sessions", 0) == 1
    assert await connection.fetchval("SELECT array_agg(secret_sha256) FROM refresh_tokens") == [b"2"]
    assert await night(connection, "mail_tokens", 0) == 0, "a new link takes the place of the old"
    await connection.execute("UPDATE mail_tokens SET expires_at = $1", LONG_AGO)
    assert await night(connection, "mail_tokens", 0) == 1


@pytest.mark.parametrize(
    ("changed", "goes"),
    [
        ("created_at = created_at", True),
        ("created_at = now() - interval '29 days'", False),
        ("email_verified_at = now()", False),
        ("stripe_customer_id = 'cus_1'", False),
        ("deleted_at = now()", False),
    ],
)
async def test_an_address_that_nobody_confirmed_goes_after_its_days(
    connection: db.Connection, changed: str, goes: bool
) -> None:
    user = await signing_in.register(connection, "a@example.com", "hash", LONG_AGO)
    assert user is not None
    await connection.execute(f"UPDATE users SET {changed}")
    assert await night(connection, "users") == goes
    assert await connection.fetchval("SELECT count(*) FROM users") == (not goes)


async def test_who_registers_again_is_not_forgotten_while_the_link_is_good(connection: db.Connection) -> None:
    user = await signing_in.register(connection, "a@example.com", "hash", LONG_AGO)
    assert user is not None
    await signing_in.insert_mail_token(connection, user, "verify", b"1", datetime.now(UTC) + DAY)
    assert await night(connection, "users") == 0
