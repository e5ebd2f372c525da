"""The settle job: outcomes of what ended or vanished, asked for until the venue calls them final, and reread later."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from collect.venues import each_venue
from core.errors import VenueAnswerError
from core.http import VenueHttp
from core.models import Market, Page, Platform
from core.queries import collecting, jobs, settling
from core.runtime import Run
from core.settings import CollectSettings
from core.venues.contract import VENUES
from core.venues.lines import Lines

log = logging.getLogger(__name__)

MOST_PER_RUN = 20_000
CHUNK = 100
MOST_REFUSED = 50
SHARE = 0.4  # of the job's deadline for each venue; what is left is for a slow venue's last retries

# Kalshi settles some 70,000 markets a day and lists 1,000 of them a page.
PAGES_PER_HOUR = 3
OVERLAP = timedelta(hours=1)
LONGEST_READ = timedelta(days=3)
MOST_PAGES = 500

REREAD_AFTER = (timedelta(hours=6), timedelta(days=1), timedelta(days=3))
REREAD_BATCH = 2_000


@dataclass(slots=True)
class Settling:
    """One venue's part of a run. Every step stores what it read before the next begins: whatever cuts a run off, the
    next goes on from there."""

    run: Run[CollectSettings]
    platform: Platform
    http: VenueHttp
    until: float
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def out_of_time(self) -> bool:
        return time.monotonic() >= self.until

    def summary(self) -> dict[str, int]:
        always = ("due", "listed", "asked", "found", "final", "changed", "unknown", "reread")
        return {name: self.counts[name] for name in always} | dict(+self.counts)


async def run(run: Run[CollectSettings]) -> dict[str, Any]:
    return await each_venue(run, _settle)


async def _settle(run: Run[CollectSettings], platform: Platform, lines: Lines) -> dict[str, Any]:
    until = time.monotonic() + SHARE * (run.job.deadline_s or 3_600)
    venue = Settling(run, platform, lines.listing, until)
    async with run.transaction() as connection:
        logged = await jobs.last_ok(connection, run.job.name)
    try:
        await _settle_due(venue)
        await _reread(venue)
    finally:
        await _log_changed_outcomes(venue, logged or run.now - timedelta(days=1))
    async with run.transaction() as connection:
        venue.counts["unknown"] = await settling.unknown_markets(connection, platform)
    return venue.summary()


async def _settle_due(venue: Settling) -> None:
    due = await _due(venue)
    venue.counts["due"] = len(due)
    if venue.platform == "kalshi" and await _read_settled(venue, len(due)):
        due = await _due(venue)
    for first in range(0, len(due), CHUNK):
        if venue.out_of_time:
            venue.counts["left"] += len(due) - first
            return
        await _ask(venue, due[first : first + CHUNK])
    if len(due) < MOST_PER_RUN:  # nothing that settled before this run is left out
        async with venue.run.transaction() as connection:
            await settling.mark_settled_read(connection, venue.platform, venue.run.now)


async def _due(venue: Settling) -> list[str]:
    async with venue.run.transaction() as connection:
        await settling.forget_settled(connection, venue.platform)
        return await settling.unsettled_ids(connection, venue.platform, venue.run.now, MOST_PER_RUN)


async def _read_settled(venue: Settling, due: int) -> bool:
    """Whether it was worth it to read all that Kalshi has settled since the last time. Only our markets are stored.

    Polymarket's listing cannot be asked by the time of settling.
    """
    run = venue.run
    async with run.transaction() as connection:
        through = await settling.settled_read_through(connection, venue.platform)
    since = max(run.now - LONGEST_READ, (through or run.now - timedelta(days=1)) - OVERLAP)
    pages = (run.now - since) / timedelta(hours=1) * PAGES_PER_HOUR
    if pages * CHUNK >= due:
        return False
    try:
        async for page in VENUES[venue.platform].fetch_settled(venue.http, since, run.now, 0, MOST_PAGES):
            changed = await _store(venue, {market.market_id: market for market in page.markets}, {})
            venue.counts += Counter(listed=len(page.markets), final=changed)
            if venue.out_of_time:
                return True
    except VenueAnswerError as error:  # the same outcomes can be had by id
        log.warning("settled markets not listed", extra={"platform": venue.platform, "error": str(error)})
        return True
    async with run.transaction() as connection:
        await settling.mark_settled_read(connection, venue.platform, run.now)
    return True


async def _ask(venue: Settling, ids: Sequence[str]) -> None:
    """Asks for markets by id in the live listing, for what it does not know in the archive, and stores both."""
    markets, refused = await _fetch_by_ids(venue, ids)
    vanished = [market_id for market_id in ids if market_id not in markets and market_id not in refused]
    try:
        markets |= await _fetched(VENUES[venue.platform].fetch_archived(venue.http, vanished), vanished)
    except VenueAnswerError as error:
        refused.update(vanished)
        venue.counts["refused"] += 1
        log.error("archive not read", extra={"platform": venue.platform, "error": str(error)})
    told = {market_id: settling.REFUSED if market_id in refused else settling.UNKNOWN for market_id in ids}
    told |= {market_id: market.status.value for market_id, market in markets.items()}
    await _store(venue, markets, told)
    final = sum(word == "final" for word in told.values())
    venue.counts += Counter(asked=len(ids), found=len(markets), final=final)


async def _fetched(pages: AsyncIterator[Page], ids: Sequence[str]) -> dict[str, Market]:
    """Those of `ids` that are on the pages; of one that is on them twice, the first."""
    asked, markets = set(ids), dict[str, Market]()
    async for page in pages:
        for market in page.markets:
            if market.market_id in asked:
                markets.setdefault(market.market_id, market)
    return markets


async def _fetch_by_ids(venue: Settling, ids: Sequence[str]) -> tuple[dict[str, Market], set[str]]:
    """Those of `ids` that the venue lists, and those that it refuses."""
    markets, refused, waiting = dict[str, Market](), set[str](), [ids]
    while waiting:
        some = waiting.pop()
        try:
            markets |= await _fetched(VENUES[venue.platform].fetch_by_ids(venue.http, some), some)
        except VenueAnswerError as error:
            if len(some) > 1:  # one id that the venue chokes on must not cost the others their outcome
                waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
                continue
            refused.update(some)
            venue.counts["refused"] += 1
            said = {"platform": venue.platform, "market_id": some[0], "error": str(error)}
            log.error("market not settled", extra=said)
            if venue.counts["refused"] > MOST_REFUSED:
                raise
    return markets, refused


async def _store(venue: Settling, markets: dict[str, Market], told: dict[str, str]) -> int:
    """Stores what is new about markets of ours, and what each of those asked for was told. Returns how many changed."""
    now = venue.run.now
    async with venue.run.transaction() as connection:
        await collecting.stage(connection, list(markets.values()))
        changed = await collecting.mark_staged_statuses(connection, now, listed=False)
        await settling.mark_asked(connection, venue.platform, told, now)
    venue.counts["changed"] += changed
    return changed


async def _reread(venue: Settling) -> None:
    """Final markets again, some time after: venues amend outcomes, and disputes reopen what was resolved."""
    for after in REREAD_AFTER:
        while finals := await _final_ids(venue, after):
            for first in range(0, len(finals), CHUNK):
                if venue.out_of_time or venue.counts["reread"] >= MOST_PER_RUN:
                    return
                some = finals[first : first + CHUNK]
                await _reread_chunk(venue, [market_id for _, market_id in some])
                async with venue.run.transaction() as connection:
                    await settling.mark_reread(connection, venue.platform, after, some[-1])


async def _final_ids(venue: Settling, after: timedelta) -> list[tuple[datetime, str]]:
    async with venue.run.transaction() as connection:
        return await settling.final_ids(connection, venue.platform, after, venue.run.now, REREAD_BATCH)


async def _reread_chunk(venue: Settling, ids: Sequence[str]) -> None:
    markets, _ = await _fetch_by_ids(venue, ids)
    venue.counts["reread"] += len(ids)
    reopened = {i: market.status.value for i, market in markets.items() if market.status != "final"}
    venue.counts["reopened"] += len(reopened)
    await _store(venue, markets, reopened)


async def _log_changed_outcomes(venue: Settling, since: datetime) -> None:
    async with venue.run.transaction() as connection:
        changes = await settling.outcome_changes(connection, venue.platform, since)
    venue.counts["amended"] += len(changes)
    for change in changes:
        said = {
            "platform": venue.platform,
            "market_id": change.market_id,
            "was": f"{change.result} {change.payout}",
            "is": f"{change.new_result} {change.new_payout}",
        }
        log.warning("outcome changed", extra=said)
