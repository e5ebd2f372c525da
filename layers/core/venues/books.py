"""What both venues' order books have in common: asked for in batches, taken one by one, bounded and sorted."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.errors import VenueAnswerError, VenueForbids
from core.models import Book, BookPage, Level

BATCH = 100
MOST_REFUSED = 10
# Ten times what a tick of a tenth of a cent allows: a side with more is no book.
MOST_LEVELS = 10_000

Clock = Callable[[], datetime]
ParseBook = Callable[[Any, str, datetime, Counter[str]], Book | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a venue said to one batch, stamped before it was asked. `body` None: it refuses this one id."""

    ids: Sequence[str]
    body: Any
    asked_at: datetime


async def ask_in_batches(
    ids: Sequence[str], ask: Callable[[Sequence[str]], Awaitable[Any]], clock: Clock
) -> AsyncIterator[Answer]:
    """A hundred ids a request, and halves of what is refused: no venue says how many it takes, nor which it chokes on.

    Raises VenueForbids at once, and what is refused of single ids once there are too many of them.
    """
    waiting = [ids[first : first + BATCH] for first in reversed(range(0, len(ids), BATCH))]
    refused = 0
    while waiting:
        batch, asked_at = waiting.pop(), clock()
        try:
            body = await ask(batch)
        except VenueForbids:
            raise
        except VenueAnswerError:
            if len(batch) > 1:
                waiting += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
                continue
            refused += 1
            if refused > MOST_REFUSED:
                raise
            body = None
        yield Answer(batch, body, asked_at)


def take_books(
    rows: Sequence[Any], key: str, market_ids: Mapping[str, str], parse: ParseBook, asked_at: datetime
) -> BookPage:
    """The books among `rows`: each told once, of a market that was asked for (`market_ids`: by the row's `key`)."""
    page, missing = BookPage(), dict(market_ids)
    for row in rows:
        told = row.get(key) if isinstance(row, dict) else None
        market_id = missing.pop(told, None) if isinstance(told, str) else None
        if market_id is None:
            page.skipped["not asked for, or told twice"] += 1
            continue
        book = parse(row, market_id, asked_at, page.doubts)
        if book is None:
            page.skipped["no book in it"] += 1
        elif is_crossed(book):
            page.skipped["bid above ask"] += 1
        else:
            page.books.append(book)
    if missing:
        page.skipped["left out"] += len(missing)
    return page


def is_crossed(book: Book) -> bool:
    """Both sides for less than a dollar: no venue lets such orders stand."""
    return bool(book.yes_asks and book.no_asks) and book.yes_asks[0].price + book.no_asks[0].price < 1


def best_first(levels: Sequence[Level]) -> tuple[Level, ...]:
    return tuple(sorted(levels, key=lambda level: level.price))


def is_oversized(*sides: Any) -> bool:
    return any(isinstance(side, list) and len(side) > MOST_LEVELS for side in sides)
