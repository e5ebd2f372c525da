"""The collect job: every open market of both venues, stored where it differs from what is stored."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from collect import books, fees, history, prices
from collect.prices import Prices
from collect.venues import fail_if_all_down
from core.detect.columns import Change
from core.errors import VenueAnswerError, VenueError
from core.models import PLATFORMS, Market, Page, Platform
from core.queries import collecting
from core.queries.collecting import LastSweep
from core.runtime import Run
from core.settings import CollectSettings
from core.venues.contract import VENUES
from core.venues.lines import Lines, open_lines

log = logging.getLogger(__name__)

BATCH = 2_000


@dataclass(slots=True)
class Tally:
    """What became of one venue's rows. `error`: its listing was not read whole; `control_error`: nor the control's."""

    seen: set[str] = field(default_factory=set)
    seen_events: set[str] = field(default_factory=set)
    open: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    snapshots: int = 0
    changes: list[Change] = field(default_factory=list)
    new_terms: int = 0
    changed_status: int = 0
    missing: int = 0
    unlisted: int = 0
    fees: dict[str, Any] = field(default_factory=dict)
    prices: Prices = field(default_factory=Prices)
    error: str | None = None
    control_error: str | None = None

    def summary(self) -> dict[str, Any]:
        said = {
            "markets": len(self.seen),
            "open": self.open,
            "snapshots": self.snapshots,
            "new_terms": self.new_terms,
            "changed_status": self.changed_status,
            "missing": self.missing,
            "unlisted": self.unlisted,
            "skipped": dict(self.skipped),
            "doubts": dict(self.doubts),
        }
        asides = {"fees": self.fees, "error": self.error, "control_error": self.control_error}
        return said | {name: aside for name, aside in asides.items() if aside}


async def run(run: Run[CollectSettings]) -> dict[str, Any]:
    """Both venues side by side; one being down is said in the summary, both being down is a failed job."""
    async with open_lines(run.settings) as lines:
        sweeps = (_collect(run, platform, lines[platform]) for platform in PLATFORMS)
        # Both to their end, whatever becomes of one: none may go on writing after the job has failed.
        ended = await asyncio.gather(*sweeps, return_exceptions=True)
    tallies: dict[Platform, Tally] = {}
    for platform, tally in zip(PLATFORMS, ended, strict=True):
        if isinstance(tally, BaseException):
            raise tally
        tallies[platform] = tally
    fail_if_all_down({platform: tally.error for platform, tally in tallies.items() if tally.error})
    whole = {platform: tally.prices for platform, tally in tallies.items() if not tally.error}
    cached = await prices.publish(run, whole)
    read = await books.read_books(run)
    return {platform: tally.summary() for platform, tally in tallies.items()} | {"prices_cached": cached, "books": read}


async def _collect(run: Run[CollectSettings], platform: Platform, lines: Lines) -> Tally:
    tally = Tally()
    await _read(run, platform, lines, tally)
    await history.append(run, platform, tally.changes)
    return tally


async def _read(run: Run[CollectSettings], platform: Platform, lines: Lines, tally: Tally) -> None:
    """Both listings as far as they can be read; why no further is noted in the tally."""
    async with run.transaction() as connection:
        last = await collecting.last_sweep(connection, platform)
    try:
        await _sweep(run, platform, lines, tally, last)
    except VenueError as error:
        log.error("venue failed", extra={"platform": platform, "error": str(error)})
        tally.error = str(error)
        return
    if not _control_due(last.controlled_at if last else None, run.now, run.settings.control_sweep_every_s):
        return
    try:
        await _control(run, platform, lines, tally, last)
    except VenueError as error:
        log.error("control sweep failed", extra={"platform": platform, "error": str(error)})
        tally.control_error = str(error)


def _control_due(last: datetime | None, now: datetime, every_s: int) -> bool:
    """Whether a multiple of `every_s` lies between the last control sweep read whole and now."""
    if last is None or every_s == 0:
        return True
    return int(last.timestamp()) // every_s != int(now.timestamp()) // every_s


async def _sweep(
    run: Run[CollectSettings], platform: Platform, lines: Lines, tally: Tally, last: LastSweep | None
) -> None:
    await _store_sweep(run, VENUES[platform].sweep(lines.listing, run.settings.collect_max_pages), tally)
    if last is not None:
        _fail_if_shrunken(len(tally.seen), last.markets, run.now - last.swept_at, run.settings)
    async with run.transaction() as connection:
        tally.missing = await collecting.mark_swept(connection, platform, sorted(tally.seen), run.now)


async def _control(
    run: Run[CollectSettings], platform: Platform, lines: Lines, tally: Tally, last: LastSweep | None
) -> None:
    pages = VENUES[platform].control_sweep(lines.listing, run.settings.collect_max_pages)
    await _store_sweep(run, pages, tally, control=True)
    if platform == "kalshi":
        tally.fees = await fees.read_fees(run, lines)
    if last is not None and last.controlled_at is not None and last.controlled_markets is not None:
        _fail_if_shrunken(len(tally.seen), last.controlled_markets, run.now - last.controlled_at, run.settings)
    # Only after both listings were read whole is absence a fact.
    async with run.transaction() as connection:
        tally.unlisted = await collecting.mark_controlled(connection, platform, sorted(tally.seen), run.now)


def _fail_if_shrunken(markets: int, before: int, age: timedelta, settings: CollectSettings) -> None:
    """A venue that answers 200 with a fraction of its markets is broken; one that goes on so for long has shrunk."""
    doubted = age < timedelta(seconds=settings.listing_doubt_s) and markets < settings.listing_min_share * before
    if doubted or (not markets and before):
        raise VenueAnswerError(f"the listing held {markets} markets, the last one {before}")


async def _store_sweep(
    run: Run[CollectSettings], pages: AsyncIterator[Page], tally: Tally, *, control: bool = False
) -> None:
    """Stores page by page in bounded batches, so that memory does not grow with the number of markets."""
    waiting = Page()
    try:
        async for page in pages:
            tally.skipped += page.skipped
            tally.doubts += page.doubts
            waiting.events += [e for e in page.events if not control or e.event_id not in tally.seen_events]
            tally.seen_events |= {event.event_id for event in page.events} if not control else set()
            for market in page.markets:
                if market.market_id not in tally.seen:
                    tally.seen.add(market.market_id)
                    waiting.markets.append(market)
                elif not control:  # the control listing repeats by design
                    tally.skipped["listed twice"] += 1
            if len(waiting.markets) >= BATCH:
                await _store(run, waiting, tally, control)
                waiting = Page()
    except VenueError:
        await _store(run, waiting, tally, control)
        raise
    await _store(run, waiting, tally, control)


async def _store(run: Run[CollectSettings], page: Page, tally: Tally, control: bool) -> None:
    if not page.markets and not page.events:
        return
    # A run that comes a little early is the hour's last but one: without slack an hour would pass without a snapshot.
    every_s = run.settings.snapshot_every_s - min(run.settings.collect_interval_s, run.settings.snapshot_every_s) // 2
    async with run.transaction() as connection:
        # The control listing knows events in short form only, which must not overwrite the long one.
        await collecting.upsert_events(connection, page.events, short=control)
        await collecting.stage(connection, page.markets)
        fresh = await collecting.staged_with_new_terms(connection)
        await collecting.upsert_terms(connection, [m for m in page.markets if m.market_id in fresh], run.now)
        await collecting.link_staged(connection, page.markets)
        tally.changed_status += await collecting.mark_staged_statuses(connection, run.now, listed=True)
        snapshots, changes = await collecting.insert_changed_snapshots(connection, run.now, every_s)
    tally.changes += changes
    tally.prices.note(page.markets)
    tally.snapshots += snapshots
    tally.new_terms += len(fresh)
    tally.open += sum(_is_open(market) for market in page.markets)


def _is_open(market: Market) -> bool:
    return market.status == "open"
