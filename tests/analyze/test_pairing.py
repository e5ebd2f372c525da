"""The cross-venue pass over the generated world: what is quoted, how long it stands, and why the rest is not shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from analyze import pairing, pipeline
from core.models import Book, Level
from core.queries.open_markets import open_markets
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.contract import VENUES
from core.venues.lines import open_lines
from tests.analyze.conftest import NOW, MakeRun, Outside, rows

pytestmark = pytest.mark.usefixtures("collected")


async def pair(run: Run[AnalyzeSettings]) -> pairing.Paired:
    async with run.transaction() as connection:
        markets = await open_markets(connection, run.now, run.settings.max_quote_age_s)
    return await pairing.pair(run, markets)


def quoted(paired: pairing.Paired) -> int:
    return paired.counts["same"]


async def execute(run: Run[AnalyzeSettings], statement: str) -> None:
    async with run.transaction() as connection:
        await connection.execute(statement)


async def books_of(run: Run[AnalyzeSettings], opportunity: dict[str, Any]) -> tuple[Book, Book]:
    (market,) = await rows(
        run, "SELECT yes_token FROM markets WHERE market_id = $1", opportunity["polymarket_market_id"]
    )
    async with open_lines(run.settings) as lines:
        kalshi = await VENUES["kalshi"].fetch_book(lines["kalshi"].books, opportunity["kalshi_market_id"], None, NOW)
        polymarket = await VENUES["polymarket"].fetch_book(
            lines["polymarket"].books, opportunity["polymarket_market_id"], market["yes_token"], NOW
        )
    assert kalshi is not None
    assert polymarket is not None
    return kalshi, polymarket


def walked(levels: Sequence[Level], shares: Decimal) -> tuple[Decimal, Decimal]:
    """(cost, the dearest price paid)."""
    cost, left = Decimal(0), shares
    for level in levels:
        taken = min(left, level.size)
        cost, left = cost + taken * level.price, left - taken
        if left == 0:
            return cost, level.price
    raise AssertionError("the book is too thin")


async def test_every_step_buys_equal_shares_down_to_the_worst_price_that_was_walked(
    make_run: MakeRun, outside: Outside
) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    paired = await pair(run)
    assert paired.opportunities
    for opportunity in paired.opportunities:
        steps = [
            re.fullmatch(r"Buy (\d+) (YES|NO) of .+ on (?:Kalshi|Polymarket), limit ([\d.]+)¢", step)
            for step in opportunity["execution_steps"][:2]
        ]
        sides = {step[2] for step in steps if step}
        assert sides == {"YES", "NO"}
        cost = Decimal(0)
        for step, book in zip(steps, await books_of(run, opportunity), strict=True):
            assert step is not None
            assert Decimal(step[1]) == opportunity["shares"]
            paid, worst = walked(book.yes_asks if step[2] == "YES" else book.no_asks, opportunity["shares"])
            assert Decimal(step[3]) == 100 * worst
            cost += paid
        assert cost < opportunity["cost_usd"] < opportunity["shares"]
        assert opportunity["net_edge_usd"] == opportunity["shares"] - opportunity["cost_usd"]
        assert opportunity["edge_percentage"] > 2


async def test_an_opportunity_is_as_old_as_the_older_book_and_ends_after_one_interval(
    make_run: MakeRun, outside: Outside
) -> None:
    run = await make_run("analyze", NOW, **outside.settings(), analyze_interval_s=600)
    for opportunity in (await pair(run)).opportunities:
        assert opportunity["quoted_at"] == NOW
        assert opportunity["expires_at"] == NOW + timedelta(seconds=600)


async def test_what_is_quoted_again_keeps_the_time_when_it_was_first_seen(make_run: MakeRun, outside: Outside) -> None:
    off = outside.settings() | {"ai_analysis_enabled": False}
    first = await make_run("analyze", NOW, **off)
    published = (await pipeline.run(first))["arbitrage"]["published"]
    later = await make_run("analyze", NOW + timedelta(minutes=10), **off)
    summary = (await pipeline.run(later))["arbitrage"]
    assert (summary["published"], summary["withdrawn"]) == (published, 0)
    alive = await rows(later, "SELECT * FROM arbitrage_opportunities WHERE status = 'active'")
    assert len(alive) == published > 0
    assert {(row["first_seen_at"], row["quoted_at"]) for row in alive} == {(NOW, later.now)}


async def test_what_is_gone_is_withdrawn_and_what_is_over_has_expired(make_run: MakeRun, outside: Outside) -> None:
    off = outside.settings() | {"ai_analysis_enabled": False}
    first = await make_run("analyze", NOW, **off)
    published = (await pipeline.run(first))["arbitrage"]["published"]
    await execute(
        first,
        """UPDATE arbitrage_opportunities SET expires_at = quoted_at + interval '1 minute'
        WHERE id = (SELECT min(id::text)::uuid FROM arbitrage_opportunities)""",
    )
    outside.plan_venues(venue="all", down=True)
    later = await make_run("analyze", NOW + timedelta(minutes=10), **off)
    assert (await pipeline.run(later))["arbitrage"]["withdrawn"] == published
    ended = await rows(later, "SELECT status, withdrawn_at FROM arbitrage_opportunities")
    assert sorted((row["status"], row["withdrawn_at"]) for row in ended if row["status"] == "withdrawn") == [
        ("withdrawn", later.now)
    ] * (published - 1)
    assert [row["withdrawn_at"] for row in ended if row["status"] == "expired"] == [None]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM series_fees",
        "UPDATE series_fees SET fee_type = 'flat'",
        "UPDATE markets SET fee_rate = NULL WHERE platform = 'polymarket'",
    ],
)
async def test_with_an_unknown_fee_nothing_is_shown(make_run: MakeRun, outside: Outside, statement: str) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    await execute(run, statement)
    paired = await pair(run)
    assert paired.opportunities == []
    assert paired.not_shown["fee unknown"] == quoted(paired) > 0


async def test_where_books_need_a_key_the_listings_best_price_stands_in_and_limits_the_size(
    make_run: MakeRun, outside: Outside
) -> None:
    whole = (await pair(await make_run("analyze", NOW, **outside.settings()))).opportunities
    outside.plan_venues(orderbook_401=True)
    opportunities = (await pair(await make_run("analyze", NOW, **outside.settings()))).opportunities
    assert opportunities
    sizes = {opportunity["bundle_key"]: opportunity["shares"] for opportunity in whole}
    for opportunity in opportunities:
        assert [leg["top_only"] for leg in opportunity["legs"]] == [True, False]
        assert any("size limited to the best price in its listing" in risk for risk in opportunity["risks"])
        assert opportunity["shares"] <= sizes[opportunity["bundle_key"]]


async def test_a_market_without_a_token_has_no_book(make_run: MakeRun, outside: Outside) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    await execute(run, "UPDATE markets SET yes_token = NULL")
    paired = await pair(run)
    assert paired.not_shown["no book"] == quoted(paired) > 0


async def test_books_that_take_too_long_are_not_of_one_moment(make_run: MakeRun, outside: Outside) -> None:
    outside.plan_venues(venue="polymarket", latency_s=0.4)
    run = await make_run("analyze", NOW, **outside.settings(), arbitrage_max_book_age_s=0.2)
    paired = await pair(run)
    assert paired.opportunities == []
    assert paired.not_shown["books read too far apart"] == quoted(paired) > 0


@pytest.mark.parametrize("venue", ["kalshi", "polymarket", "all"])
@pytest.mark.parametrize("fault", [{"down": True}, {"garbage": 1}, {"truncate": 1}])
async def test_a_venue_that_fails_while_quoting_does_not_fail_the_job(
    make_run: MakeRun, outside: Outside, venue: str, fault: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    outside.plan_venues(venue=venue, **fault)
    run = await make_run("analyze", NOW, **outside.settings(), ai_analysis_enabled=False)
    summary = await pipeline.run(run)
    assert summary["arbitrage"]["not_shown"]["book could not be read"] >= summary["pairs"]["same"]
    assert summary["patterns"] > 0
    assert {record.getMessage() for record in caplog.records if record.name == "analyze.quoting"} == {
        "books could not be read"
    }


async def test_an_edge_below_the_minimum_is_counted_and_not_shown(make_run: MakeRun, outside: Outside) -> None:
    everything = await pair(await make_run("analyze", NOW, **outside.settings(), arbitrage_min_edge_pct=0))
    paired = await pair(await make_run("analyze", NOW, **outside.settings(), arbitrage_min_edge_pct=100))
    assert paired.opportunities == []
    assert paired.not_shown["edge below the minimum"] == len(everything.opportunities) > 0


async def test_rules_that_pay_differently_are_counted_and_never_priced(make_run: MakeRun, outside: Outside) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    await execute(run, "UPDATE markets SET rules = 'Void if anyone dies.' WHERE platform = 'kalshi'")
    paired = await pair(run)
    assert paired.opportunities == []
    assert paired.gaps == []
    assert paired.fair == {}
    assert paired.not_shown == {"settlement rules differ": paired.counts["blocked"]}
    assert paired.counts["blocked"] > paired.counts["same"] == 0


async def test_the_fair_price_of_a_market_is_the_middle_of_the_other_venues_book(
    make_run: MakeRun, outside: Outside
) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    await execute(run, "UPDATE market_latest SET price = 0.999, last_price = 0.999")  # a last trade of another day
    paired = await pair(run)
    async with run.transaction() as connection:
        markets = await open_markets(connection, run.now, run.settings.max_quote_age_s)
    by_key = {(market.platform, market.market_id): market for market in markets}
    stored = await rows(run, "SELECT * FROM pairs WHERE may_be_priced")
    assert stored
    for row in stored:
        legs = ("kalshi", row["kalshi_market_id"]), ("polymarket", row["polymarket_market_id"])
        for key, other in (legs, legs[::-1]):
            yes, no = by_key[other].yes_price, by_key[other].no_price  # type: ignore[index]
            assert yes is not None
            assert no is not None
            middle = (yes + 1 - no) / 2
            assert paired.fair[key] == (middle if row["same_side"] else 1 - middle)
    assert len(paired.fair) == 2 * len(stored)
    assert {(gap.platform, gap.market_id) for gap in paired.gaps} <= set(paired.fair)


@pytest.mark.parametrize(
    ("quote", "reason"),
    [
        ("no_price = NULL", "no fair price: one-sided book"),
        ("yes_price = NULL", "no fair price: one-sided book"),
        ("yes_price = NULL, no_price = NULL", "no fair price: one-sided book"),
        ("yes_price = 0.60, no_price = 0.51", "no fair price: wide book"),
        ("yes_price = 0.60, no_price = 0.30", "no fair price: wide book"),  # crossed: the two are not of one moment
    ],
)
async def test_a_book_that_tells_no_price_gives_the_other_venue_none(
    make_run: MakeRun, outside: Outside, quote: str, reason: str
) -> None:
    run = await make_run("analyze", NOW, **outside.settings())
    await execute(run, f"UPDATE market_latest SET price = 0.5, last_price = 0.5, {quote} WHERE platform = 'polymarket'")
    paired = await pair(run)
    assert paired.not_shown[reason] == paired.counts["same"] > 0
    assert {platform for platform, _ in paired.fair} == {"polymarket"}
    assert all(gap.platform == "polymarket" for gap in paired.gaps)


async def test_a_pair_is_stored_once_and_again_only_when_its_verdict_changed(
    make_run: MakeRun, outside: Outside
) -> None:
    first = await make_run("analyze", NOW, **outside.settings())
    await pair(first)
    later = await make_run("analyze", NOW + timedelta(minutes=15), **outside.settings())
    await pair(later)
    assert {row["decided_at"] for row in await rows(later, "SELECT decided_at FROM pairs")} == {NOW}
    await execute(
        later,
        "UPDATE markets SET rules = 'Void if anyone dies.', terms_digest = terms_digest + 1 WHERE platform = 'kalshi'",
    )
    await pair(later)
    stored = await rows(later, "SELECT settlement_risk, decided_at FROM pairs WHERE is_match")
    assert {(row["settlement_risk"], row["decided_at"]) for row in stored} == {("BLOCK", later.now)}


async def test_many_pairs_are_quoted_within_each_venues_pace(make_run: MakeRun, outside: Outside) -> None:
    fast = await pair(await make_run("analyze", NOW, **outside.settings()))
    slow = outside.settings() | {"kalshi_requests_per_s": 20, "polymarket_requests_per_s": 20}
    paired = await pair(await make_run("analyze", NOW, **slow))
    assert len(paired.opportunities) == len(fast.opportunities) > 0
