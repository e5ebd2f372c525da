"""Where a market is on its venue's own site: built from the venue's identifiers, never taken from an answer whole.

Polymarket shows a market within its event (`/event/{event}/{market}`, and `/event/{event}` where both are named the
same); what its site answers to `/market/{slug}` is a way to its 404 page (Polymarket/py-sdk issue 57, May 2026).
Kalshi shows a market within its event too, whatever word stands before the event's ticker; the page of a series is that
of its current event, which may be another one.
"""

from __future__ import annotations

import re

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,999}"
_IS_NAME = re.compile(_NAME)
_IS_URL = re.compile(
    rf"https://(?:kalshi\.com/markets/{_NAME}/event/{_NAME}|polymarket\.com/event/{_NAME}(?:/{_NAME})?)"
)


def kalshi_url(series: str | None, event_id: str | None) -> str | None:
    """The page of an event; None where one of its tickers is unknown or none that a path may hold as it is."""
    if not _is_name(series) or not _is_name(event_id):
        return None
    return f"https://kalshi.com/markets/{series}/event/{event_id}".lower()


def polymarket_url(event_slug: str | None, market_slug: str | None) -> str | None:
    """The page of a market; of its event where the market's own slug is unusable; None where the event's is."""
    if not _is_name(event_slug):
        return None
    url = f"https://polymarket.com/event/{event_slug}"
    return f"{url}/{market_slug}" if _is_name(market_slug) and market_slug != event_slug else url


def is_market_url(text: str) -> bool:
    """Whether it is an address as one of these makes it, and nothing else."""
    return _IS_URL.fullmatch(text) is not None


def _is_name(text: str | None) -> bool:
    return text is not None and _IS_NAME.fullmatch(text) is not None
