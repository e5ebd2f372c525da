"""Every market that can be bet on as shown: its terms, which change seldom, and its quote, which does not.

A run reads all of them, 100,000 times 400 bytes. What a hosted database sends is billed: a host with a disk is sent
only those terms that changed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.arbitrage.fees import kalshi_rate
from core.body_store import BodyStore
from core.db import Connection
from core.models import OpenMarket
from core.queries.sent_once import sent_once

# Its venue's whole listing was read lately and had it, and its end is ahead.
CURRENT = """
m.missing_since IS NULL AND v.swept_at > $1::timestamptz - make_interval(secs => $2)
AND (m.close_time IS NULL OR m.close_time > $1)
"""
_TRADABLE = f"m.status = 'open' AND m.listed AND {CURRENT}"

# One line a market. An announced change of a fee whose time has come is in force until its subject was read after that.
_LINES = f"""
WITH due AS (
    SELECT DISTINCT ON (scope, subject) * FROM fee_changes WHERE effective_at <= $1
    ORDER BY scope, subject, effective_at DESC
)
SELECT m.number, json_build_array(
    m.number, m.platform, m.market_id, m.event_id, m.title, coalesce(e.category, m.category, f.category),
    (extract(epoch FROM m.close_time) * 1000000)::bigint, m.yes_token, m.yes_label, m.no_label,
    coalesce(e.mutually_exclusive, false), f.series, m.fee_rate::text, m.fee_exponent::text,
    coalesce(CASE WHEN de.scope IS NULL THEN e.fee_type ELSE de.fee_type END,
             CASE WHEN ds.scope IS NULL THEN f.fee_type ELSE ds.fee_type END),
    coalesce(CASE WHEN de.scope IS NULL THEN e.fee_multiplier ELSE de.fee_multiplier END,
             CASE WHEN ds.scope IS NULL THEN f.fee_multiplier ELSE ds.fee_multiplier END)::text)::text AS line
FROM markets m JOIN venue_sweeps v USING (platform)
LEFT JOIN events e USING (platform, event_id)
LEFT JOIN series_fees f ON m.platform = 'kalshi' AND f.series = e.series
LEFT JOIN due ds ON m.platform = 'kalshi' AND ds.scope = 'series' AND ds.subject = e.series
    AND (f.read_at IS NULL OR ds.effective_at > f.read_at)
LEFT JOIN due de ON m.platform = 'kalshi' AND de.scope = 'event' AND de.subject = m.event_id
    AND de.effective_at > v.swept_at
WHERE {_TRADABLE}
"""  # noqa: S608  constants of our own

_QUOTES = f"""
SELECT m.number, trim_scale(l.price), trim_scale(l.yes_price), trim_scale(l.no_price), trim_scale(l.volume),
       trim_scale(l.volume_24h)
FROM markets m JOIN market_latest l USING (platform, market_id) JOIN venue_sweeps v USING (platform) WHERE {_TRADABLE}
"""  # noqa: S608  constants of our own

# Markets of one event are listed together, numbered together and end together: most blocks live or die whole.
_TOGETHER = 128

_1970 = datetime(1970, 1, 1, tzinfo=UTC)


async def open_markets(
    connection: Connection, now: datetime, max_quote_age_s: float, store: BodyStore | None = None
) -> list[OpenMarket]:
    """Every open market whose quote is current, with its fee facts, in the order of its keys.

    What a fee's time is: a whole listing tells again what a market (Polymarket) or its event (Kalshi's overrides)
    costs, so those were confirmed at `quoted_at`; a series' fee at `series_fees.read_at`. A waiver that Kalshi names
    for a market (`fee_waiver_until`) is not taken off: whose fee it waives is not documented, and no edge may rest on
    it.
    """
    lines = await sent_once(connection, _LINES, now, max_quote_age_s, store=store, block=_TOGETHER)
    rows = await connection.fetch("SELECT platform, swept_at FROM venue_sweeps")
    swept = {row["platform"]: row["swept_at"] for row in rows}
    rows = await connection.fetch("SELECT read_at, array_agg(series) AS series FROM series_fees GROUP BY read_at")
    fees_read = {series: row["read_at"] for row in rows for series in row["series"]}
    quotes = await _quotes(connection, now, max_quote_age_s)
    told = [line for line in lines if line[0] in quotes]
    markets = [_market(line, quotes[line[0]], swept[line[1]], fees_read.get(line[11])) for line in told]
    return sorted(markets, key=lambda market: (market.platform, market.market_id))


async def _quotes(connection: Connection, now: datetime, max_quote_age_s: float) -> dict[int, list[Decimal | None]]:
    """By number: price, YES ask, NO ask, volume, volume of 24 hours. COPY's text is half of what rows cost."""
    chunks: list[bytes] = []

    async def take(chunk: bytes) -> None:
        chunks.append(bytes(chunk))

    await connection.copy_from_query(_QUOTES, now, max_quote_age_s, output=take, format="text")
    rows = (line.split("\t") for line in b"".join(chunks).decode("ascii").splitlines())
    return {int(row[0]): [None if value == "\\N" else Decimal(value) for value in row[1:]] for row in rows}


def _market(
    line: list[Any], quote: list[Decimal | None], swept_at: datetime, series_read_at: datetime | None
) -> OpenMarket:
    (number, platform, market_id, event_id, title, category, closes, yes_token, yes_label, no_label, exclusive, _,
     rate, exponent, fee_type, multiplier) = line  # fmt: skip
    if platform == "kalshi":
        fee_rate, fee_exponent = kalshi_rate(fee_type, None if multiplier is None else Decimal(multiplier)), Decimal(1)
    else:
        fee_rate = None if rate is None else Decimal(rate)
        fee_exponent = Decimal(1) if exponent is None else Decimal(exponent)
    price, yes_price, no_price, volume, volume_24h = quote
    return OpenMarket(
        platform=platform,
        market_id=market_id,
        event_id=event_id,
        title=title,
        category=category,
        close_time=None if closes is None else _1970 + timedelta(microseconds=closes),
        yes_token=yes_token,
        mutually_exclusive=exclusive,
        price=price,
        yes_price=yes_price,
        no_price=no_price,
        volume=volume,
        volume_24h=volume_24h,
        quoted_at=swept_at,
        fee_rate=fee_rate,
        fee_exponent=fee_exponent,
        number=number,
        yes_label=yes_label,
        no_label=no_label,
        fee_read_at=swept_at if series_read_at is None else min(swept_at, series_read_at),
    )
