"""The HTTP lines to each venue, with its own address and pace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.http import VenueHttp, open_client
from core.models import Platform
from core.settings import CollectSettings


@dataclass(frozen=True, slots=True)
class Lines:
    """`listing` for markets and events, `books` for books and price history (one line where the venue has one host)."""

    listing: VenueHttp
    books: VenueHttp


@asynccontextmanager
async def open_lines(settings: CollectSettings) -> AsyncIterator[dict[Platform, Lines]]:
    async with open_client(settings.http_timeout_s) as client:

        def line(base_url: str, requests_per_s: float) -> VenueHttp:
            return VenueHttp(
                client,
                base_url,
                requests_per_s=requests_per_s,
                attempts=settings.http_attempts,
                timeout_s=settings.http_timeout_s,
                max_body_bytes=settings.http_max_body_mb * 1_000_000,
            )

        kalshi = line(settings.kalshi_base_url, settings.kalshi_requests_per_s)
        yield {
            "kalshi": Lines(kalshi, kalshi),
            "polymarket": Lines(
                line(settings.polymarket_gamma_url, settings.polymarket_requests_per_s),
                line(settings.polymarket_clob_url, settings.polymarket_requests_per_s),
            ),
        }
