"""What every venue module promises: mypy checks it where VENUES is built, one contract test runs over all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from core.http import VenueHttp
from core.models import Book, BookPage, Candle, Page, Platform
from core.venues import kalshi, polymarket


class Venue(Protocol):
    """`http` is the venue's listing line, for books and candles its book line (Kalshi has one line for both)."""

    PLATFORM: Platform
    HISTORY_LACKS: tuple[str, ...]  # what no candle of the venue says
    ARCHIVE_LACKS: tuple[str, ...]  # what its archived ones lack besides
    CANDLE_MARKETS: int  # whose candles one request may ask for
    SETTLED_DAYS: int  # that one listing of settled markets should span

    def sweep(self, http: VenueHttp, max_pages: int) -> AsyncIterator[Page]: ...

    def control_sweep(self, http: VenueHttp, max_pages: int) -> AsyncIterator[Page]: ...

    def fetch_by_ids(self, http: VenueHttp, market_ids: Sequence[str]) -> AsyncIterator[Page]: ...

    def fetch_candles(
        self, http: VenueHttp, tokens: Mapping[str, str | None], start: datetime, end: datetime
    ) -> AsyncIterator[Candle]: ...

    def fetch_archived(self, http: VenueHttp, market_ids: Sequence[str]) -> AsyncIterator[Page]: ...

    def fetch_settled(
        self, http: VenueHttp, start: datetime, end: datetime, min_volume: Decimal | int, max_pages: int
    ) -> AsyncIterator[Page]: ...

    async def fetch_settled_since(self, http: VenueHttp) -> datetime | None: ...

    def fetch_archived_candles(
        self, http: VenueHttp, market_id: str, yes_token: str | None, start: datetime, end: datetime
    ) -> AsyncIterator[Candle]: ...

    async def fetch_book(
        self, http: VenueHttp, market_id: str, yes_token: str | None, now: datetime
    ) -> Book | None: ...

    def fetch_books(
        self, http: VenueHttp, tokens: Mapping[str, str | None], clock: Callable[[], datetime]
    ) -> AsyncIterator[BookPage]: ...

    def parse_page(self, body: Any) -> Page: ...


VENUES: dict[Platform, Venue] = {"kalshi": kalshi, "polymarket": polymarket}
