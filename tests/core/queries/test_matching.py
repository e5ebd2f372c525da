"""Keys of open markets, candidates by keys, and pairs that stand as long as the terms that they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core import db
from core.match.candidates import find, make_index, rare, weight_of
from core.match.verdict import Verdict
from core.models import MarketStatus, Platform
from core.queries import arbitrage, matching
from tests.conftest import NOW
from tests.core.making import make_market
from tests.core.storing import store

TIMEOUT_S = 30


async def put(pool: db.Pool, platform: Platform, keys: dict[str, list[int]]) -> None:
    await store(pool, *(make_market(name, platform, title=f"Title of {name}") for name in keys))
    async with db.acquire(pool, 5) as connection, connection.transaction():
        rows = [(text.platform, text.market_id, keys[text.market_id])
                for text in await matching.texts_of(connection, platform, list(keys))]  # fmt: skip
        await matching.replace_keys(connection, rows, TIMEOUT_S)


async def counts(pool: db.Pool) -> dict[tuple[str, int], int]:
    rows = await pool.fetch("SELECT platform, key, markets FROM match_keys WHERE markets <> 0")
    return {(row["platform"], row["key"]): row["markets"] for row in rows}


async def test_a_market_is_changed_until_its_terms_are_matched(pool: db.Pool, connection: db.Connection) -> None:
    await store(pool, make_market("A"), make_market("B", status=MarketStatus.CLOSED), make_market("C"))
    changed = await matching.changed_texts(connection, 10, TIMEOUT_S)
    assert [text.market_id for text in changed] == ["A", "C"]
    assert len(await matching.changed_texts(connection, 1, TIMEOUT_S)) == 1
    async with connection.transaction():
        await matching.replace_keys(connection, [("kalshi", "A", [1])], TIMEOUT_S)
    assert len(await matching.changed_texts(connection, 10, TIMEOUT_S)) == 2
    await matching.mark_matched(connection, changed[:1])
    assert [text.market_id for text in await matching.changed_texts(connection, 10, TIMEOUT_S)] == ["C"]
    await store(pool, make_market("A", title="Will it snow?"))
    assert [text.title for text in await matching.changed_texts(connection, 1, TIMEOUT_S)] == ["Will it snow?"]


async def test_keys_are_counted_when_they_come_change_and_go(pool: db.Pool, connection: db.Connection) -> None:
    await put(pool, "kalshi", {"A": [1, 2], "B": [2, 3]})
    await put(pool, "polymarket", {"P": [2]})
    assert await counts(pool) == {("kalshi", 1): 1, ("kalshi", 2): 2, ("kalshi", 3): 1, ("polymarket", 2): 1}
    await put(pool, "kalshi", {"A": [2, 9]})
    assert await counts(pool) == {("kalshi", 2): 2, ("kalshi", 3): 1, ("kalshi", 9): 1, ("polymarket", 2): 1}
    await pool.execute("UPDATE markets SET status = 'closed' WHERE market_id = 'B'")
    async with connection.transaction():
        await matching.forget_ended(connection, TIMEOUT_S)
    assert await counts(pool) == {("kalshi", 2): 1, ("kalshi", 9): 1, ("polymarket", 2): 1}
    assert await matching.sizes(connection) == {"kalshi": 1, "polymarket": 1}
    assert (await matching.key_counts(connection, [2, 9]))["kalshi"] == {2: 1, 9: 1}


def asked_of(counts: dict[int, int], size: int, rows: Sequence[list[int]]) -> list[tuple[int, int, float, bool]]:
    flat = [(at, key) for at, keys in enumerate(rows) for key in keys if counts.get(key)]
    of_key = np.array([counts[key] for _, key in flat])
    looked_up = rare(np.array([at for at, _ in flat]), of_key)
    return [
        (at, key, float(weight), bool(is_rare))
        for (at, key), weight, is_rare in zip(flat, weight_of(of_key, size), looked_up, strict=True)
    ]


async def test_the_database_finds_what_the_search_in_memory_finds(pool: db.Pool, connection: db.Connection) -> None:
    keys = {f"P{n:02}": [n % 3, 100 + n % 7, 200 + n] for n in range(40)}
    await put(pool, "polymarket", keys)
    asked = [[0, 103, 217], [1, 205, 999], [777]]
    of_key = (await matching.key_counts(connection, [key for row in asked for key in row]))["polymarket"]
    found = await matching.candidates(connection, "polymarket", asked_of(of_key, 40, asked), 3, TIMEOUT_S)
    ids, stored = await matching.all_keys(connection, "polymarket", TIMEOUT_S)
    in_memory = find(make_index(stored), asked, 3)
    for at, others in enumerate(in_memory):
        assert [market for asker, market in found if asker == at][:1] == [ids[other] for other in others][:1]
        assert len(others) == sum(asker == at for asker, _ in found)
    assert await matching.candidates(connection, "kalshi", [], 3, TIMEOUT_S) == []


def row(kalshi: str, polymarket: str, **more: Any) -> tuple[Any, ...]:
    verdict = Verdict(kalshi, polymarket, "identity", 0.9, "CAUTION", ("why",), is_match=True, may_be_priced=True)
    changed = {name: more.pop(name) for name in ("found_by", "digests", "decided_at") if name in more}
    return matching.pair_row(replace(verdict, **more), changed.get("found_by", ""), changed.get("digests", (1, 2)), NOW)


def as_stored(kalshi: str, polymarket: str, **more: Any) -> tuple[Any, ...]:
    """Judged on the terms that the two markets have."""
    first, second = (make_market(name).terms_digest for name in (kalshi, polymarket))
    return row(kalshi, polymarket, digests=(first, second), **more)


async def test_living_pairs_are_open_priced_and_fit_no_other(pool: db.Pool, connection: db.Connection) -> None:
    await store(pool, *(make_market(name) for name in ("A", "B", "C", "D")))
    await store(pool, *(make_market(name, "polymarket") for name in ("P", "Q", "R", "S", "T")))
    pairs = [as_stored("A", "P", relation="complement", same_side=False), as_stored("B", "Q"), as_stored("B", "R"),
             as_stored("C", "S", risk="BLOCK", may_be_priced=False, passes_titles=True),
             as_stored("D", "T")]  # fmt: skip
    await matching.upsert_pairs(connection, pairs)
    await pool.execute("UPDATE markets SET missing_since = now() WHERE market_id = 'T'")
    (living,) = await matching.living_pairs(connection)
    assert (living.kalshi_id, living.relation, living.same_side, living.reasons) == ("A", "complement", False, ("why",))
    assert await matching.blocked_pairs(connection) == 1


async def test_ladders_rest_on_pairs_that_may_be_priced_and_blocked_matches_are_told(
    pool: db.Pool, connection: db.Connection
) -> None:
    await store(pool, *(make_market(name) for name in ("A", "B", "C", "D", "E")))
    await store(pool, *(make_market(name, "polymarket") for name in ("P", "Q", "R", "S", "T", "U")))
    await matching.upsert_pairs(connection, [
        as_stored("A", "P"), as_stored("B", "Q", may_be_priced=False), as_stored("C", "R"), as_stored("C", "S"),
        as_stored("D", "T", risk="BLOCK", may_be_priced=False, passes_titles=True),
        as_stored("E", "U", risk="BLOCK", may_be_priced=False),
    ])  # fmt: skip
    told = await arbitrage.judged_pairs(connection)
    assert [row["kalshi_market_id"] for row in told] == ["A", "D"]
    assert told[0]["reasons"] == ["why"]


async def test_a_verdict_does_not_outlive_the_terms_that_it_was_made_on(
    pool: db.Pool, connection: db.Connection
) -> None:
    """A run matches so many at most: what waits for the next one must not be priced by rules that are gone."""
    await store(pool, make_market("A"), make_market("P", "polymarket"))
    await matching.upsert_pairs(connection, [as_stored("A", "P")])
    assert len(await matching.living_pairs(connection)) == len(await arbitrage.judged_pairs(connection)) == 1
    for platform in ("kalshi", "polymarket"):
        await pool.execute("UPDATE markets SET terms_digest = terms_digest + 1 WHERE platform = $1", platform)
        assert await matching.living_pairs(connection) == []
        assert await arbitrage.judged_pairs(connection) == []
        await pool.execute("UPDATE markets SET terms_digest = terms_digest - 1 WHERE platform = $1", platform)
    assert len(await matching.living_pairs(connection)) == 1


async def test_a_pair_tells_the_terms_it_rests_on_and_is_none_when_retired(
    pool: db.Pool, connection: db.Connection
) -> None:
    await matching.upsert_pairs(connection, [row("A", "P"), row("B", "Q", digests=(3, 4))])
    assert await matching.partners(connection, ["A"], []) == {("A", "P"): (1, 2)}
    assert await matching.partners(connection, [], ["Q"]) == {("B", "Q"): (3, 4)}
    await matching.retire_pairs(connection, [("A", "P")], NOW)
    assert await matching.partners(connection, ["A", "B"], []) == {("B", "Q"): (3, 4)}
    stored = await pool.fetchrow("SELECT * FROM pairs WHERE kalshi_market_id = 'A'")
    assert stored is not None
    assert (stored["relation"], stored["may_be_priced"], stored["reasons"]) == ("none", False, ["its terms changed"])


async def test_what_was_no_match_is_forgotten_with_its_market(pool: db.Pool, connection: db.Connection) -> None:
    await store(pool, make_market("A"), make_market("B"))
    await matching.upsert_pairs(connection, [row("A", "P"), row("B", "Q", relation="subset", is_match=False)])
    await pool.execute("UPDATE markets SET status = 'closed'")
    async with connection.transaction():
        await matching.forget_ended(connection, TIMEOUT_S)
    assert await pool.fetchval("SELECT array_agg(kalshi_market_id) FROM pairs") == ["A"]
