"""What published insights came to, and what their models' numbers are worth by that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from core.agent.calibration import Calibration
from core.agent.grading import Entry
from core.db import Connection
from core.detect.history import Floats
from core.queries.results import came_of

Kind = Literal["outcome", "sale"]

_ENTRY = """
i.id::text, i.suggested_position, i.yes_price_at_emission, i.no_price_at_emission,
(i.inputs -> 'candidate' ->> 'fee_rate')::numeric AS fee_rate,
(i.inputs -> 'candidate' ->> 'fee_exponent')::numeric AS fee_exponent
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """An insight whose market has an outcome that it was not graded by. None: the venue took its outcome back."""

    insight_id: str
    entry: Entry
    payout: Decimal | None


@dataclass(frozen=True, slots=True)
class Expired:
    """A position whose time was up before its market's end, with the asks of that moment; None where unknown."""

    insight_id: str
    entry: Entry
    yes_ask: Decimal | None
    no_ask: Decimal | None


@dataclass(frozen=True, slots=True)
class Grade:
    """`why` says what is missing where `net_cents` is None."""

    insight_id: str
    kind: Kind
    payout: Decimal | None
    net_cents: Decimal | None
    why: str


@dataclass(frozen=True, slots=True)
class Graded:
    """One model's insights with an outcome: (n,) each. NaN is unknown; `event` numbers what settles together.

    `baseline` is what was known without the model, `price` the market's, `said` the model's own, `served` ours.
    """

    baseline: Floats
    price: Floats
    said: Floats
    served: Floats
    payout: Floats
    event: Floats


@dataclass(frozen=True, slots=True)
class Voices:
    """Of one model's published insights: all, those without a number of its own, those that repeat the price."""

    published: int
    silent: int
    parroted: int


async def settled_insights(connection: Connection, most: int) -> list[Settled]:
    """Those whose outcome is new or another one than they were graded by, the oldest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_ENTRY}, m.payout FROM ai_insights i JOIN markets m USING (platform, market_id)
        LEFT JOIN LATERAL (
            SELECT g.payout FROM insight_grades g WHERE g.insight_id = i.id AND g.kind = 'outcome'
            ORDER BY g.graded_at DESC LIMIT 1
        ) AS known ON true
        WHERE known.payout IS DISTINCT FROM m.payout ORDER BY i.created_at, i.id LIMIT $1
        """,  # noqa: S608  a constant of our own
        most,
    )
    return [Settled(row["id"], _entry(row), row["payout"]) for row in rows]


async def picks_of(connection: Connection, day: date, at: datetime) -> list[dict[str, Any]]:
    """A digest's picks with what is known at `at` of what came of each (see `results.came_of`), as JSON values."""
    rows = await connection.fetch(
        f"""
        SELECT p.pick, i.suggested_position, m.url, {came_of("i", "$2")} AS came_of_it
        FROM digests d
        CROSS JOIN LATERAL jsonb_array_elements(d.top_picks) WITH ORDINALITY AS p (pick, place)
        JOIN ai_insights i ON i.id = ANY(d.insight_ids) AND i.market_id = p.pick ->> 'market_id'
        JOIN markets m ON m.platform = i.platform AND m.market_id = i.market_id
        WHERE d.day = $1 ORDER BY p.place
        """,  # noqa: S608  a constant of our own
        day,
        at,
    )
    told = ("market_id", "market_title", "recommendation")
    return [
        {name: row["pick"][name] for name in told}
        | {"url": row["url"], "position": row["suggested_position"]}
        | row["came_of_it"]
        for row in rows
    ]


async def expired_insights(connection: Connection, now: datetime, max_age_s: float, most: int) -> list[Expired]:
    """Positions not sold yet whose time was up while their market traded on; asks at most `max_age_s` old by then.

    Time is up when an insight expires, or before that when it is withdrawn: who followed it is told of that too.
    """
    rows = await connection.fetch(
        f"""
        SELECT {_ENTRY}, s.yes_price, s.no_price FROM ai_insights i JOIN markets m USING (platform, market_id)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN i.status = 'superseded' THEN least(i.ended_at, i.expires_at) ELSE i.expires_at END AS at
        ) AS up
        LEFT JOIN LATERAL (
            SELECT t.yes_price, t.no_price FROM market_snapshots t
            WHERE t.platform = i.platform AND t.market_id = i.market_id
              AND t.time <= up.at AND t.time > up.at - $2 * interval '1 second'
            ORDER BY t.time DESC LIMIT 1
        ) AS s ON true
        WHERE i.suggested_position <> 'WAIT' AND up.at <= $1
          AND (m.close_time IS NULL OR m.close_time > up.at)
          AND (m.payout IS NULL OR coalesce(m.settled_at, m.status_seen_at) > up.at)
          AND NOT EXISTS (SELECT FROM insight_grades g WHERE g.insight_id = i.id AND g.kind = 'sale')
        ORDER BY up.at, i.id LIMIT $3
        """,  # noqa: S608  a constant of our own
        now,
        max_age_s,
        most,
    )
    return [Expired(row["id"], _entry(row), row["yes_price"], row["no_price"]) for row in rows]


async def insert_grades(connection: Connection, grades: Sequence[Grade], now: datetime) -> None:
    await connection.executemany(
        """
        INSERT INTO insight_grades (insight_id, kind, graded_at, payout, net_cents, why)
        VALUES ($1::uuid, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
        """,
        [(one.insight_id, one.kind, now, one.payout, one.net_cents, one.why) for one in grades],
    )


async def graded_by(connection: Connection, at: datetime, since: datetime) -> dict[str, Graded]:
    """By model, of insights since `since`, what was known at `at`: outcomes graded by then, and as they were then."""
    rows = await connection.fetch(
        """
        SELECT i.model, i.price_at_emission::float8 AS price, i.raw_win_probability::float8 AS said,
               i.win_probability::float8 AS served, coalesce(i.win_baseline, i.price_at_emission)::float8 AS baseline,
               g.payout::float8, i.platform || ' ' || coalesce(m.event_id, i.market_id) AS event
        FROM (
            SELECT DISTINCT ON (insight_id) insight_id, payout FROM insight_grades
            WHERE kind = 'outcome' AND graded_at <= $1 ORDER BY insight_id, graded_at DESC
        ) AS g
        JOIN ai_insights i ON i.id = g.insight_id JOIN markets m USING (platform, market_id)
        WHERE g.payout IS NOT NULL AND i.created_at >= $2 AND i.created_at <= $1 AND i.price_at_emission IS NOT NULL
        ORDER BY i.model, i.created_at, i.id
        """,
        at,
        since,
    )
    numbers = {event: number for number, event in enumerate(dict.fromkeys(row["event"] for row in rows))}
    found = {}
    for model in dict.fromkeys(row["model"] for row in rows):
        ours = [row for row in rows if row["model"] == model]
        names = ("baseline", "price", "said", "served", "payout")
        baseline, price, said, served, payout = np.array([[row[name] for row in ours] for name in names], dtype=float)
        events = np.array([numbers[row["event"]] for row in ours], dtype=float)
        found[model] = Graded(baseline, price, said, served, payout, events)
    return found


async def voices(connection: Connection, at: datetime, since: datetime, parrot_cents: float) -> dict[str, Voices]:
    """By model, of insights published in [since, at]. One repeats the price that is within `parrot_cents` of it."""
    rows = await connection.fetch(
        """
        SELECT model, count(*) AS published, count(*) FILTER (WHERE raw_win_probability IS NULL) AS silent,
               count(*) FILTER (WHERE abs(raw_win_probability - price_at_emission) <= $3::float8::numeric / 100)
                   AS parroted
        FROM ai_insights WHERE created_at >= $2 AND created_at <= $1 GROUP BY model ORDER BY model
        """,
        at,
        since,
        parrot_cents,
    )
    return {row["model"]: Voices(row["published"], row["silent"], row["parroted"]) for row in rows}


async def insert_calibration(
    connection: Connection,
    at: datetime,
    model: str,
    made: Calibration,
    briers: Sequence[float | None],
    voice: Voices,
) -> None:
    """`briers`: of the price, of the model's own number, and of what was served."""
    await connection.execute(
        """
        INSERT INTO calibrations (as_of, model, insights, events, weight, low, high, log_evidence, proved,
            brier_price, brier_raw, brier_served, published, silent, parroted)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        """,
        at,
        model,
        made.insights,
        made.events,
        made.weight,
        made.low,
        made.high,
        made.log_evidence,
        made.proved,
        *briers,
        voice.published,
        voice.silent,
        voice.parroted,
    )


async def delete_calibrations(connection: Connection, before: datetime) -> None:
    await connection.execute("DELETE FROM calibrations WHERE as_of < $1", before)


async def calibrations(connection: Connection, at: datetime) -> dict[str, Calibration]:
    """By model, the newest that was there at `at`."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (model) model, insights, events, weight, low, high, log_evidence, proved
        FROM calibrations WHERE as_of <= $1 ORDER BY model, as_of DESC
        """,
        at,
    )
    return {row["model"]: Calibration(**{name: row[name] for name in Calibration.__slots__}) for row in rows}


async def calibration_report(connection: Connection, at: datetime) -> list[dict[str, Any]]:
    """The newest calibration of each model, with what its positions earned: held to settlement, sold when expired."""
    rows = await connection.fetch(
        """
        SELECT c.*, coalesce(e.held, 0) AS held, coalesce(e.held_won, 0) AS held_won, e.held_cents::float8,
               coalesce(e.sold, 0) AS sold, coalesce(e.sold_won, 0) AS sold_won, e.sold_cents::float8
        FROM (SELECT DISTINCT ON (model) * FROM calibrations WHERE as_of <= $1 ORDER BY model, as_of DESC) AS c
        LEFT JOIN (
            SELECT i.model, count(g.net_cents) FILTER (WHERE g.kind = 'outcome') AS held,
                   count(*) FILTER (WHERE g.kind = 'outcome' AND g.net_cents > 0) AS held_won,
                   avg(g.net_cents) FILTER (WHERE g.kind = 'outcome') AS held_cents,
                   count(g.net_cents) FILTER (WHERE g.kind = 'sale') AS sold,
                   count(*) FILTER (WHERE g.kind = 'sale' AND g.net_cents > 0) AS sold_won,
                   avg(g.net_cents) FILTER (WHERE g.kind = 'sale') AS sold_cents
            FROM (
                SELECT DISTINCT ON (insight_id, kind) * FROM insight_grades WHERE graded_at <= $1
                ORDER BY insight_id, kind, graded_at DESC
            ) AS g JOIN ai_insights i ON i.id = g.insight_id GROUP BY i.model
        ) AS e USING (model)
        ORDER BY c.model
        """,
        at,
    )
    return [dict(row) for row in rows]


def _entry(row: Any) -> Entry:
    return Entry(
        row["suggested_position"],
        row["yes_price_at_emission"],
        row["no_price_at_emission"],
        row["fee_rate"],
        row["fee_exponent"],
    )
