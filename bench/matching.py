"""Matching two venues: from scratch beside the all-pairs loop, its growth, and a run that finds 200 changed markets."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import httpx
import orjson
from rapidfuzz import fuzz, process

from bench.database import NOW, database
from bench.result import Result, at_least, at_most
from bench.wire import counted
from core import db
from core.match.candidates import MOST, find, make_index
from core.match.claims import Claim, read_claim
from core.match.verdict import judge_group, with_rules
from core.match.weights import named_keys, weigh
from core.models import PLATFORMS, Market, MarketStatus, Platform, Terms
from core.queries import collecting
from core.venues import kalshi, polymarket
from local.kit import ROOT
from local.replay import make_app
from local.world import GeneratedWorld
from local.world_truth import truth

FEW, SCRATCH, MANY = 5_000, 20_000, 50_000
STORED, CHANGED = 50_000, 200
LOOPED = 200  # titles of the all-pairs loop that are timed; each of the others takes as long
LISTINGS = {
    "kalshi": ("/kalshi/trade-api/v2/events?status=open&with_nested_markets=true&limit=200", "cursor", "cursor"),
    "polymarket": ("/polymarket/gamma/events/keyset?closed=false&limit=100", "next_cursor", "after_cursor"),
}
PARSE = {"kalshi": kalshi.parse_page, "polymarket": polymarket.parse_page}

Listing = dict[Platform, list[Market]]
Pairs = set[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Matched:
    seconds: float
    found: Pairs
    kept: int


async def run() -> list[Result]:
    world = GeneratedWorld(1, MANY * 11 // 5)
    listing = await listed(world)
    few, some, many = (match({venue: markets[:size] for venue, markets in listing.items()})
                       for size in (FEW, SCRATCH, MANY))  # fmt: skip
    planted = {(pair["kalshi"], pair["polymarket"]) for pair in truth(world, NOW, NOW + timedelta(minutes=1))["pairs"]}
    return [*from_scratch(listing, some), growth(few, many), recall(listing, planted, many), *await increment(listing)]


async def listed(world: GeneratedWorld) -> Listing:
    """The open markets of both venues, as their modules parse them."""
    found: Listing = {}
    transport = httpx.ASGITransport(make_app(world, lambda: NOW))
    async with httpx.AsyncClient(transport=transport, base_url="http://world", timeout=600) as client:
        for platform in PLATFORMS:
            path, tells, asks = LISTINGS[platform]
            markets = list[Market]()
            cursor: str | None = ""
            while cursor is not None:
                answer = await client.get(f"{path}&{asks}={cursor}" if cursor else path)
                body = orjson.loads(answer.raise_for_status().content)
                markets += [m for m in PARSE[platform](body).markets if m.status == MarketStatus.OPEN]
                cursor = body.get(tells) or None
            found[platform] = markets
    return found


def match(listing: Listing) -> Matched:
    """Candidates and rule verdicts of two venues that nothing is known of."""
    told = {platform: [market.terms for market in listing[platform]] for platform in PLATFORMS}
    began = time.perf_counter()
    claims: dict[Platform, list[Claim]] = {
        platform: [read_claim(terms.title, terms.close_time, terms.yes_label) for terms in told[platform]]
        for platform in PLATFORMS
    }
    keys = {platform: [list(named_keys(claim)) for claim in claims[platform]] for platform in PLATFORMS}
    weights = weigh(claim for platform in PLATFORMS for claim in claims[platform])
    found, kept = Pairs(), 0
    for at, others in enumerate(find(make_index(keys["polymarket"]), keys["kalshi"], MOST)):
        ours = told["kalshi"][at]
        near = {told["polymarket"][other].market_id: other for other in others}
        group = [(other_id, claims["polymarket"][other]) for other_id, other in near.items()]
        for verdict in judge_group(ours.market_id, claims["kalshi"][at], group, weights):
            if verdict.is_match:
                other = near[verdict.polymarket_id]
                theirs = told["polymarket"][other]
                with_rules(verdict, claims["kalshi"][at], claims["polymarket"][other], ours.rules, theirs.rules)
                kept += 1
        found |= {(ours.market_id, other_id) for other_id in near}
    return Matched(time.perf_counter() - began, found, kept)


def from_scratch(listing: Listing, ours: Matched) -> list[Result]:
    titles = {platform: [m.terms.title for m in listing[platform][:SCRATCH]] for platform in PLATFORMS}
    began = time.perf_counter()
    for title in titles["kalshi"][:LOOPED]:
        process.extract(title, titles["polymarket"], scorer=fuzz.token_sort_ratio, limit=MOST)
    loop_s = (time.perf_counter() - began) / LOOPED * len(titles["kalshi"])
    sizes = f"{len(titles['kalshi']):,} × {len(titles['polymarket']):,}"
    against = f"{sizes}; all pairs by rapidfuzz {loop_s:.0f} s, told from {LOOPED} titles of this run"
    return [
        Result("match_scratch_s", round(ours.seconds, 3), "s", f"{against}; {ours.kept:,} matches", None, None),
        at_least("match_scratch_times_faster", loop_s / ours.seconds, "times", against, 5),
    ]


def growth(few: Matched, many: Matched) -> Result:
    each = few.seconds / FEW, many.seconds / MANY
    against = f"{1_000 * each[1]:.2f} ms a market at {MANY:,} a side, {1_000 * each[0]:.2f} ms at {FEW:,}"
    return at_most("match_growth", each[1] / each[0], "times", against, 1.5)


def recall(listing: Listing, planted: Pairs, many: Matched) -> Result:
    """Of the planted pairs that both listings hold."""
    ids = {platform: {m.market_id for m in listing[platform][:MANY]} for platform in PLATFORMS}
    there = {pair for pair in planted if pair[0] in ids["kalshi"] and pair[1] in ids["polymarket"]}
    against = f"{len(there):,} planted pairs among {MANY:,} markets a side, {MOST} candidates each"
    return at_least("match_candidate_recall", len(there & many.found) / len(there), "share", against, 0.99)


async def increment(listing: Listing) -> list[Result]:
    """A process of its own that matches what changed, and what its database sends and is sent."""
    async with database() as connection:
        address = (await connection.fetchval("SELECT current_setting('unix_socket_directories')")).strip('"')
        for platform in PLATFORMS:
            markets = listing[platform][: STORED // 2]
            for first in range(0, len(markets), 5_000):
                await _store(connection, markets[first : first + 5_000])
        url = f"postgresql://postgres@/bench?host={address}"
        while _matched_once(url)[0]["changed"]:  # until all is matched
            pass
        await connection.execute("ANALYZE match_terms, match_keys, pairs")
        await connection.execute(
            """
            UPDATE markets SET terms_digest = terms_digest + 1, rules = rules || ' Ties do not count.'
            WHERE (platform, market_id) IN
                (SELECT platform, market_id FROM markets ORDER BY md5(market_id) LIMIT $1)
            """,
            CHANGED,
        )
        with counted(url) as traffic:
            said, seconds = _matched_once(traffic.url)
    megabytes = (traffic.sent + traffic.received) / 1e6
    against = (
        f"{said['changed']} changed of {STORED:,} stored; {said['candidates']:,} candidates, {said['kept']:,} kept"
    )
    return [
        at_most("match_increment_s", seconds, "s", against, 3),
        at_most("match_increment_mb", megabytes, "MB", f"{traffic.received / 1e6:.2f} MB of it received", 5),
    ]


def _without_raw(market: Market) -> Terms:
    return replace(market.terms, raw={})


async def _store(connection: db.Connection, markets: list[Market]) -> None:
    """As a collect run does, but for the raw answers."""
    lean = [replace(market, read_terms=partial(_without_raw, market)) for market in markets]
    async with connection.transaction():
        await collecting.stage(connection, lean)
        await collecting.upsert_terms(connection, lean, NOW)
        await collecting.mark_staged_statuses(connection, NOW, listed=True)


def _matched_once(url: str) -> tuple[dict[str, int], float]:
    """(what the run says, its seconds from start to exit)."""
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "bench.match_once", url], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    return orjson.loads(done.stdout), time.perf_counter() - began
