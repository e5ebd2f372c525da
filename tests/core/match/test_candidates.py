"""Every market finds the few of the other venue that share telling keys with it, and is told which."""

from __future__ import annotations

from datetime import timedelta

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from core.match.candidates import LOOKED_UP, MOST, explain, find, make_index
from core.match.claims import read_claim
from core.match.weights import named_keys
from core.venues import kalshi, polymarket
from local.world import GeneratedWorld
from local.world_truth import truth
from tests.conftest import NOW


def keys(title: str) -> list[int]:
    return list(named_keys(read_claim(title, None)))


def test_the_market_that_says_the_same_comes_first_among_many() -> None:
    people = [f"Person{n} Surname{n % 7}" for n in range(300)]
    index = make_index([keys(f"Will {who} win the mayoral election?") for who in people])
    found = find(index, [keys(f"Who will be mayor? {who}") for who in people])
    assert [row[0] for row in found] == list(range(300))
    assert max(map(len, found)) <= MOST


def test_amounts_and_days_find_what_common_words_do_not_tell_apart() -> None:
    rungs = [f"Will Bitcoin be above ${n},000 on Dec {day}?" for n in range(50, 90) for day in range(1, 29)]
    index = make_index([keys(rung) for rung in rungs])
    found = find(index, [keys("Bitcoin price on December 17, $63,000 or above?")])
    assert rungs[found[0][0]] == "Will Bitcoin be above $63,000 on Dec 17?"


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=6, unique=True), max_size=40), st.data())
def test_candidates_share_a_key_and_what_shares_all_keys_is_among_them(
    rows: list[list[int]], data: st.DataObject
) -> None:
    asked = data.draw(st.lists(st.sampled_from(rows), max_size=5)) if rows else []
    for row, others in zip(asked, find(make_index(rows), asked, most=len(rows)), strict=True):
        assert len(set(others)) == len(others)
        assert all({*row} & {*rows[other]} for other in others)
        assert not row or any({*rows[other]} == {*row} for other in others)


def test_nothing_is_found_where_nothing_is_shared_or_stored() -> None:
    assert find(make_index([]), [[1, 2]]) == [[]]
    assert find(make_index([[3]]), [[1, 2], []]) == [[], []]


def test_what_is_looked_up_is_bounded() -> None:
    common = [[1, n + 10] for n in range(5 * LOOKED_UP)]
    assert find(make_index(common), [[1]]) == [[]]


def test_a_candidate_is_explained_in_plain_words() -> None:
    ours = read_claim("Will the Democratic party win Ohio by Dec 3, 2026 with 51%?", None)
    theirs = read_claim("Democrats win Ohio with 51% by December 3?", None)
    assert explain(ours, theirs) == "both say 12-3, 51%, democrat, ohio, win"


def listed(world: GeneratedWorld) -> dict[str, dict[str, list[int]]]:
    """The keys of both venues' open markets, as their modules parse them."""
    ours, other = world.kalshi, world.polymarket
    answers = (
        (kalshi.parse_page, ours.event_answers(ours.event_rows(NOW), NOW, True)),
        (polymarket.parse_page, other.event_answers(other.event_rows(NOW), NOW)),
    )
    found: dict[str, dict[str, list[int]]] = {"kalshi": {}, "polymarket": {}}
    for parse, events in answers:
        for market in parse({"events": orjson.loads(orjson.dumps(events))}).markets:
            terms = market.terms
            claim = read_claim(terms.title, terms.close_time, terms.yes_label)
            found[terms.platform][terms.market_id] = list(named_keys(claim))
    return found


def test_planted_pairs_are_among_ten_candidates_each() -> None:
    world = GeneratedWorld(5, 2_500)
    ours, theirs = listed(world).values()
    found, ids = find(make_index(list(theirs.values())), list(ours.values()), MOST), list(theirs)
    candidates = {(market, ids[at]) for market, others in zip(ours, found, strict=True) for at in others}
    bets = truth(world, NOW, NOW + timedelta(minutes=1))["pairs"]
    planted = {(bet["kalshi"], bet["polymarket"]) for bet in bets}
    planted = {(kalshi_id, other_id) for kalshi_id, other_id in planted if kalshi_id in ours and other_id in theirs}
    assert len(planted) > 30
    assert len(planted & candidates) >= 0.99 * len(planted)
