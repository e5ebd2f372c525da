"""The backfill job, by hand for a new installation: markets that settled lately, candles of them and of open ones.

What each venue cannot give is recorded with the market: see HISTORY_LACKS of the venues and the table `backfills`.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as midnight
from decimal import Decimal
from typing import Any

from collect import history
from collect.venues import each_venue
from core.errors import VenueAnswerError, VenueError
from core.models import Candle, Event, Market, MarketStatus, Platform
from core.queries import backfilling
from core.queries.backfilling import Day, Progress, Wanted
from core.runtime import Run
from core.settings import CollectSettings
from core.venues.contract import VENUES, Venue
from core.venues.lines import Lines

log = logging.getLogger(__name__)

CHUNK = 50
MOST_REFUSED = 20
SAY_EVERY_S = 5.0
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(slots=True)
class Backfill:
    """One venue's part of a run. Every step is stored with its progress in one transaction: whatever cuts a run off,
    the next goes on from there."""

    run: Run[CollectSettings]
    platform: Platform
    lines: Lines
    counts: Counter[str] = field(default_factory=Counter)
    notes: dict[str, Any] = field(default_factory=dict)
    said_at: float = 0.0

    def __post_init__(self) -> None:
        self.notes["lacks"] = list(self.venue.HISTORY_LACKS)

    @property
    def venue(self) -> Venue:
        return VENUES[self.platform]

    def say(self, what: str, done: int, total: int) -> None:
        """A log line when it begins, every few seconds, and at the end."""
        if total == 0 or (0 < done < total and time.monotonic() - self.said_at < SAY_EVERY_S):
            return
        self.said_at = time.monotonic()
        said = {"platform": self.platform, "done": done, "total": total, "candles": self.counts["candles"]}
        log.info(what, extra=said)


async def run(run: Run[CollectSettings]) -> dict[str, Any]:
    return await each_venue(run, _backfill)


async def _backfill(run: Run[CollectSettings], platform: Platform, lines: Lines) -> dict[str, Any]:
    """The open markets first: detection needs their past, the settled ones only make its figures better."""
    work = Backfill(run, platform, lines)
    try:
        await _fill(work)
        await _list_settled(work)
        await _fill(work)
    except VenueError:
        await _renew_history(work)
        raise
    await _renew_history(work)
    always = ("markets", "candles", "empty", "refused", "days", "listed", "settled")
    return {name: work.counts[name] for name in always} | dict(+work.counts) | work.notes


async def _renew_history(work: Backfill) -> None:
    async with work.run.transaction() as connection:
        behind = await backfilling.is_history_behind(connection, work.platform)
    if behind:
        await history.rebuild(work.run, work.platform, work.run.now - timedelta(days=work.run.settings.backfill_days))
        async with work.run.transaction() as connection:
            await backfilling.mark_in_history(connection, work.platform)


# Markets that settled before we were here


async def _list_settled(work: Backfill) -> None:
    """Day by day or all days at once, as the venue is best asked. Days that were listed are not listed again, unless
    more is wanted of them than then."""
    missing = await _missing_days(work)
    size = work.venue.SETTLED_DAYS
    for first in range(0, len(missing), size):
        work.say("backfill: days of settled markets", first, len(missing))
        try:
            await _list_span(work, missing[first : first + size])
        except VenueAnswerError as error:
            log.error("settled markets not listed", extra={"platform": work.platform, "error": str(error)})
            work.notes["settled_error"] = str(error)
            return


async def _missing_days(work: Backfill) -> list[tuple[date, datetime]]:
    """(day, its end) of those before the installation that have not been listed as asked."""
    settings, now = work.run.settings, work.run.now
    if not settings.backfill_settled_days:
        return []
    async with work.run.transaction() as connection:
        end = min(await backfilling.installed_at(connection, work.platform) or now, now)
        listed = await backfilling.listed_days(connection, work.platform)
    since = await _settled_since(work)
    first = now.date() - timedelta(days=settings.backfill_settled_days)
    days = [first + timedelta(days=n) for n in range(settings.backfill_settled_days + 1)]
    ends = [(day, min(_start(day) + _DAY, end)) for day in days if _start(day) < end]
    askable = [(day, until) for day, until in ends if since is None or until > since]
    if since is not None:
        work.notes["settled_since"] = since.isoformat()

    def is_done(day: date, until: datetime) -> bool:
        known = listed.get(day)
        return (
            known is not None
            and known.through_at >= until
            and known.min_volume <= settings.backfill_settled_min_volume
            and known.most >= settings.backfill_settled_per_day
        )

    return [(day, until) for day, until in askable if not is_done(day, until)]


def _start(day: date) -> datetime:
    return datetime.combine(day, midnight(), UTC)


async def _settled_since(work: Backfill) -> datetime | None:
    try:
        return await work.venue.fetch_settled_since(work.lines.listing)
    except VenueAnswerError as error:
        log.warning("unknown how far back is listed", extra={"platform": work.platform, "error": str(error)})
        return None


@dataclass(slots=True)
class Largest:
    """Of each day's settled markets the largest, so that memory and disk stay bounded."""

    most: int
    by_day: dict[date, list[tuple[Decimal, str, Market]]] = field(default_factory=dict)

    def add(self, day: date, volume: Decimal, market: Market) -> None:
        kept = self.by_day.setdefault(day, [])
        entry = (volume, market.market_id, market)
        if len(kept) < self.most:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)

    def markets(self) -> list[Market]:
        return [market for kept in self.by_day.values() for _, _, market in kept]


async def _list_span(work: Backfill, span: Sequence[tuple[date, datetime]]) -> None:
    settings = work.run.settings
    ends, listed, seen = dict(span), Counter[date](), set[str]()
    largest, events = Largest(settings.backfill_settled_per_day), dict[str, Event]()
    pages = work.venue.fetch_settled(
        work.lines.listing,
        _start(span[0][0]),
        span[-1][1],
        settings.backfill_settled_min_volume,
        settings.collect_max_pages,
    )
    async for page in pages:
        events |= {event.event_id: event for event in page.events}
        for market in page.markets:
            settled_at, volume = market.outcome.settled_at, market.quote.volume
            if market.status is not MarketStatus.FINAL or settled_at is None or market.outcome.payout is None:
                continue
            day, market_id = settled_at.date(), market.market_id
            if day not in ends or settled_at >= ends[day] or market_id in seen:
                continue
            seen.add(market_id)
            listed[day] += 1
            if volume is not None and volume >= settings.backfill_settled_min_volume:
                largest.add(day, volume, market)
    days = [
        Day(
            day,
            until,
            Decimal(settings.backfill_settled_min_volume),
            largest.most,
            listed[day],
            len(largest.by_day.get(day, ())),
        )
        for day, until in span
    ]
    await _store_settled(work, largest.markets(), events, days)


async def _store_settled(
    work: Backfill, markets: Sequence[Market], events: dict[str, Event], days: Sequence[Day]
) -> None:
    told = {market.terms.event_id for market in markets}
    theirs = [event for event_id, event in events.items() if event_id in told]
    async with work.run.transaction() as connection:
        await backfilling.upsert_settled(connection, work.platform, markets, theirs, work.run.clock())
        await backfilling.upsert_days(connection, work.platform, days)
    work.counts += Counter(days=len(days), listed=sum(day.listed for day in days), settled=len(markets))


# Candles


async def _fill(work: Backfill) -> None:
    async with work.run.transaction() as connection:
        wanted = await backfilling.backfillable(
            connection, work.platform, work.run.now, work.run.settings.backfill_days
        )
    work.counts["markets"] += len(wanted)
    for first in range(0, len(wanted), CHUNK):
        work.say("backfill: markets", first, len(wanted))
        await _fill_chunk(work, wanted[first : first + CHUNK])
    work.say("backfill: markets", len(wanted), len(wanted))


async def _fill_chunk(work: Backfill, chunk: Sequence[Wanted]) -> None:
    found, refused = await _fetch_candles(work, chunk)
    progress = []
    for wanted in chunk:
        candles, lacks = _within(wanted, found.get(wanted.market_id, ())), work.venue.HISTORY_LACKS
        if not candles and wanted.settled and (candles := _within(wanted, await _fetch_archived(work, wanted))):
            lacks += work.venue.ARCHIVE_LACKS
        given: backfilling.Given = "candles" if candles else "refusal" if wanted.market_id in refused else "nothing"
        progress.append(Progress(wanted, given, lacks, candles))
    async with work.run.transaction() as connection:
        work.counts["candles"] += await backfilling.insert_candles(
            connection,
            work.platform,
            [candle for done in progress for candle in done.candles],
            {wanted.market_id: wanted.total for wanted in chunk if wanted.settled},
        )
        await backfilling.mark_backfilled(connection, work.platform, progress, work.run.now)
    given_to = Counter(done.given for done in progress)
    work.counts += Counter(empty=given_to["nothing"], refused=given_to["refusal"])


async def _fetch_candles(work: Backfill, chunk: Sequence[Wanted]) -> tuple[dict[str, list[Candle]], set[str]]:
    """Candles by market, and the markets that the venue refuses to tell of."""
    found, refused = dict[str, list[Candle]](), set[str]()
    size = work.venue.CANDLE_MARKETS
    waiting = [chunk[first : first + size] for first in range(0, len(chunk), size)]
    while waiting:
        some = waiting.pop()
        tokens = {wanted.market_id: wanted.yes_token for wanted in some}
        # To the end of the hour: its candle holds what was traded up to now, or up to the market's end.
        start, end = min(wanted.start for wanted in some), _whole_hour(max(wanted.end for wanted in some))
        candles = dict[str, list[Candle]]()
        try:
            async for candle in work.venue.fetch_candles(work.lines.books, tokens, start, end):
                candles.setdefault(candle.market_id, []).append(candle)
        except VenueAnswerError as error:
            if len(some) > 1:  # one market that the venue chokes on must not cost the others their past
                waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
                continue
            refused.add(some[0].market_id)
            said = {"platform": work.platform, "market_id": some[0].market_id, "error": str(error)}
            log.warning("candles refused", extra=said)
            if len(refused) > MOST_REFUSED:
                raise
        found |= candles
    return found, refused


async def _fetch_archived(work: Backfill, wanted: Wanted) -> list[Candle]:
    """Empty where the venue's archive has none or refuses."""
    try:
        fetched = work.venue.fetch_archived_candles(
            work.lines.books, wanted.market_id, wanted.yes_token, wanted.start, _whole_hour(wanted.end)
        )
        return [candle async for candle in fetched]
    except VenueAnswerError:
        return []


def _whole_hour(moment: datetime) -> datetime:
    """The end of the hour that the moment is in."""
    return moment.replace(minute=0, second=0, microsecond=0) + _HOUR


def _within(wanted: Wanted, candles: Iterable[Candle]) -> list[Candle]:
    """Those of the asked time, whatever others it was asked together with; of one that is told twice, the first."""
    kept: dict[datetime, Candle] = {}
    for candle in candles:
        if wanted.start <= candle.end < wanted.end + _HOUR:
            kept.setdefault(candle.end, candle)
    return list(kept.values())
