"""What a market's terms say beyond its title, as far as bundles need it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Wording:
    """`settles_at` is when the venue expects to settle, `strike_type` with `floor` and `cap` Kalshi's own numbers.

    `exhaustive` and `unsettled` are of the market's event: whether the venue says that one of its outcomes must win,
    and how many of its markets have not been settled NO.
    """

    rules: str
    open_time: datetime | None = None
    settles_at: datetime | None = None
    strike_type: str | None = None
    floor: Decimal | None = None
    cap: Decimal | None = None
    exhaustive: bool | None = None
    unsettled: int | None = None
