"""Books of many markets read now, both venues side by side, each with the moments between which it was read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field

from core.errors import VenueError, VenueForbids
from core.models import Book, Level, OpenMarket, Platform, Quote
from core.runtime import Run
from core.settings import AnalyzeSettings
from core.venues.contract import VENUES
from core.venues.lines import Lines

Key = tuple[Platform, str]


@dataclass(frozen=True, slots=True)
class ReadBook:
    """`asked_s` and `had_s` are this machine's own seconds: nothing in the book is older or newer than they say."""

    book: Book
    asked_s: float
    had_s: float


@dataclass(slots=True)
class ReadBooks:
    books: dict[Key, ReadBook] = field(default_factory=dict)
    failed: dict[Platform, str] = field(default_factory=dict)


async def read_books(
    run: Run[AnalyzeSettings], lines: Mapping[Platform, Lines], markets: Collection[OpenMarket]
) -> ReadBooks:
    """What could be read. A venue that fails is named in `failed`; what it gave before that is not."""
    read = ReadBooks()
    tokens: dict[Platform, dict[str, str | None]] = {"kalshi": {}, "polymarket": {}}
    for market in markets:
        tokens[market.platform][market.market_id] = market.yes_token

    async def one(platform: Platform) -> None:
        # What comes later than that is of another moment than the other venue's books: no attempt is worth it.
        most_s = run.settings.arbitrage_max_book_age_s + run.settings.http_timeout_s
        try:
            async with asyncio.timeout(most_s):
                async for found in _read_venue(run, platform, lines[platform], tokens[platform]):
                    read.books[platform, found.book.market_id] = found
        except VenueError as error:
            read.failed[platform] = str(error)
        except TimeoutError:
            read.failed[platform] = f"{platform}: books not read within {most_s:g} s"

    await asyncio.gather(*(one(platform) for platform, wanted in tokens.items() if wanted))
    return read


async def _read_venue(
    run: Run[AnalyzeSettings], platform: Platform, lines: Lines, tokens: Mapping[str, str | None]
) -> AsyncIterator[ReadBook]:
    asked_s = time.monotonic()
    try:
        async for page in VENUES[platform].fetch_books(lines.books, tokens, run.clock):
            had_s = time.monotonic()
            for book in page.books:
                yield ReadBook(book, asked_s, had_s)
            asked_s = time.monotonic()
    except VenueForbids:
        # Books are kept to holders of a key; what the listing shows of them it shows to all, and now.
        async for found in _read_tops(run, platform, lines, list(tokens)):
            yield found


async def _read_tops(
    run: Run[AnalyzeSettings], platform: Platform, lines: Lines, market_ids: list[str]
) -> AsyncIterator[ReadBook]:
    asked_at, asked_s = run.clock(), time.monotonic()
    async for page in VENUES[platform].fetch_by_ids(lines.listing, market_ids):
        had_s = time.monotonic()
        for market in page.markets:
            yes, no = _tops(market.quote)
            book = Book(platform, market.market_id, yes, no, asked_at, top_only=True)
            yield ReadBook(book, asked_s, had_s)
        asked_at, asked_s = run.clock(), time.monotonic()


def _tops(quote: Quote) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """The best price of each side with its size; a price without a size is nothing that can be bought."""
    sides = ((quote.yes_price, quote.yes_size), (quote.no_price, quote.no_size))
    yes, no = (() if price is None or not size else (Level(price, size),) for price, size in sides)
    return yes, no
