"""Matches what changed since the last run with the other venue: candidates, verdicts by titles, then by rules."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.match.candidates import MOST, explain, find, make_index, rare, weight_of
from core.match.claims import Claim, read_claim
from core.match.verdict import MATCH, Verdict, judge_group, with_rules
from core.match.weights import Weights, named_keys
from core.models import PLATFORMS, Platform
from core.queries import analyzing, matching
from core.queries.matching import Text
from core.runtime import Run
from core.settings import AnalyzeSettings

# What a run matches at most; a new installation's markets are matched over several runs.
MOST_CHANGED = 20_000
# From here on reading all keys of a venue costs less than having the database look each up.
MANY = 2_000

Key = tuple[Platform, str]
Pair = tuple[str, str]
OTHER: dict[Platform, Platform] = {"kalshi": "polymarket", "polymarket": "kalshi"}
WORTH_KEEPING = frozenset(("identity", "complement", "subset", "superset"))


@dataclass(slots=True)
class Read:
    """The texts at hand and what they claim, by platform and market id."""

    texts: dict[Key, Text] = field(default_factory=dict)
    claims: dict[Key, Claim] = field(default_factory=dict)

    def add(self, texts: Sequence[Text]) -> None:
        for text in texts:
            self.texts[text.platform, text.market_id] = text
            self.claims[text.platform, text.market_id] = read_claim(text.title, text.close_time, text.yes_label)


async def match_changed(run: Run[AnalyzeSettings]) -> dict[str, int]:
    """Brings the stored pairs up to date with the markets' terms. Returns how many of what."""
    timeout_s = run.settings.database_bulk_timeout_s
    async with run.transaction() as connection:
        await matching.forget_ended(connection, timeout_s)
        changed = await matching.changed_texts(connection, MOST_CHANGED, timeout_s)
    if not changed:
        return {"changed": 0, "candidates": 0, "judged": 0, "kept": 0}
    read = Read()
    await asyncio.to_thread(read.add, changed)
    async with run.transaction() as connection:
        await matching.replace_keys(connection, [_stored_keys(text, read) for text in changed], timeout_s)
    found = await _candidates(run, changed, read)
    pairs, before = await _with_partners(run, changed, found, read)
    verdicts = await _judge(run, pairs, read)
    kept = await _with_rules(run, verdicts, read)
    gone = before - {(v.kalshi_id, v.polymarket_id) for v in kept}
    async with run.transaction() as connection:
        await matching.upsert_pairs(connection, [_row(verdict, read, run) for verdict in kept])
        await matching.retire_pairs(connection, gone, run.now)
        await matching.mark_matched(connection, changed)
    return {"changed": len(changed), "candidates": len(found), "judged": len(verdicts), "kept": len(kept)}


def _stored_keys(text: Text, read: Read) -> tuple[Platform, str, list[int]]:
    """None for a market whose YES is a name: its NO would be another name, and perhaps a draw that is neither."""
    keys = named_keys(read.claims[text.platform, text.market_id]) if _is_yes_or_no(text) else {}
    return text.platform, text.market_id, list(keys)


def _is_yes_or_no(text: Text) -> bool:
    return text.platform == "kalshi" or (text.yes_label.casefold(), text.no_label.casefold()) == ("yes", "no")


async def _candidates(run: Run[AnalyzeSettings], changed: Sequence[Text], read: Read) -> set[Pair]:
    found: set[Pair] = set()
    for platform in PLATFORMS:
        asking = [text for text in changed if text.platform == platform and _is_yes_or_no(text)]
        keys = [list(named_keys(read.claims[platform, text.market_id])) for text in asking]
        search = _by_index if len(asking) > MANY else _by_database
        for at, other in await search(run, OTHER[platform], keys):
            pair = (asking[at].market_id, other)
            found.add(pair if platform == "kalshi" else pair[::-1])
    return found


async def _by_index(run: Run[AnalyzeSettings], venue: Platform, asked: Sequence[list[int]]) -> list[tuple[int, str]]:
    async with run.transaction() as connection:
        ids, keys = await matching.all_keys(connection, venue, run.settings.database_bulk_timeout_s)
    found = await asyncio.to_thread(lambda: find(make_index(keys), asked))
    return [(at, ids[other]) for at, others in enumerate(found) for other in others]


async def _by_database(run: Run[AnalyzeSettings], venue: Platform, asked: Sequence[list[int]]) -> list[tuple[int, str]]:
    flat = [(at, key) for at, keys in enumerate(asked) for key in keys]
    async with run.transaction() as connection:
        counts = (await matching.key_counts(connection, [*{key for _, key in flat}]))[venue]
        size = (await matching.sizes(connection))[venue]
        known = [(at, key) for at, key in flat if counts.get(key)]
        of_key = np.array([counts[key] for _, key in known], dtype=np.int64)
        looked_up = rare(np.array([at for at, _ in known], dtype=np.int64), of_key)
        rows = zip(known, weight_of(of_key, size).tolist(), looked_up.tolist(), strict=True)
        weighed = [(at, key, float(weight), bool(is_rare)) for (at, key), weight, is_rare in rows]
        return await matching.candidates(connection, venue, weighed, MOST, run.settings.database_bulk_timeout_s)


async def _with_partners(
    run: Run[AnalyzeSettings], changed: Sequence[Text], found: set[Pair], read: Read
) -> tuple[set[Pair], set[Pair]]:
    """The pairs to judge, each Kalshi market with all that it is compared to, and those of them that are stored.

    A pair whose terms are those that it was judged by stands as it is, unless something new is compared with it.
    """
    ids = {platform: {text.market_id for text in changed if text.platform == platform} for platform in PLATFORMS}
    async with run.transaction() as connection:
        stored = await matching.partners(
            connection, [*ids["kalshi"] | {pair[0] for pair in found}], [*ids["polymarket"]]
        )
        pairs = found | stored.keys()
        for platform, side in (("kalshi", 0), ("polymarket", 1)):
            wanted = {pair[side] for pair in pairs} - {market for venue, market in read.texts if venue == platform}
            read.add(await matching.texts_of(connection, PLATFORMS[side], [*wanted]))
    reopened = {pair for pair in pairs if pair not in stored or stored[pair] != _digests(pair, read)}
    of_kalshi = {pair[0] for pair in reopened}
    again = {pair for pair in pairs if pair[0] in of_kalshi}
    return again, again & stored.keys()


def _digests(pair: Pair, read: Read) -> tuple[int, int]:
    return read.texts["kalshi", pair[0]].digest, read.texts["polymarket", pair[1]].digest


async def _judge(run: Run[AnalyzeSettings], pairs: set[Pair], read: Read) -> list[Verdict]:
    """By titles, weighed by how often words occur among all open markets."""
    claims = {key for pair in pairs for key in (("kalshi", pair[0]), ("polymarket", pair[1]))}
    keys = {key for claim in claims for key in named_keys(read.claims[claim])}  # type: ignore[index]
    async with run.transaction() as connection:
        counts = await matching.key_counts(connection, [*keys])
        markets = await matching.sizes(connection)
    both = {key: sum(counts[platform].get(key, 0) for platform in PLATFORMS) for key in keys}
    weights = Weights(both, sum(markets.values()))
    of_kalshi = defaultdict(list)
    for kalshi_id, other_id in sorted(pairs):
        of_kalshi[kalshi_id].append((other_id, read.claims["polymarket", other_id]))

    def judge_all() -> list[Verdict]:
        return [
            verdict
            for kalshi_id, others in of_kalshi.items()
            for verdict in judge_group(kalshi_id, read.claims["kalshi", kalshi_id], others, weights)
        ]

    return await asyncio.to_thread(judge_all)


async def _with_rules(run: Run[AnalyzeSettings], verdicts: Sequence[Verdict], read: Read) -> list[Verdict]:
    """Those worth keeping, after both rule texts were read."""
    kept = [v for v in verdicts if v.relation in WORTH_KEEPING and (v.confidence >= MATCH or v.is_match)]
    async with run.transaction() as connection:
        kalshi = await analyzing.rules_of(connection, "kalshi", [*{v.kalshi_id for v in kept}])
        polymarket = await analyzing.rules_of(connection, "polymarket", [*{v.polymarket_id for v in kept}])

    def read_rules() -> list[Verdict]:
        return [
            with_rules(
                v,
                read.claims["kalshi", v.kalshi_id],
                read.claims["polymarket", v.polymarket_id],
                kalshi.get(v.kalshi_id, ""),
                polymarket.get(v.polymarket_id, ""),
            )
            for v in kept
        ]

    return await asyncio.to_thread(read_rules)


def _row(verdict: Verdict, read: Read, run: Run[AnalyzeSettings]) -> tuple[object, ...]:
    pair = verdict.kalshi_id, verdict.polymarket_id
    found_by = explain(read.claims["kalshi", pair[0]], read.claims["polymarket", pair[1]])
    return matching.pair_row(verdict, found_by, _digests(pair, read), run.now)
