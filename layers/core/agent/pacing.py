"""How fast the analyst may be asked: what Groq's headers tell of its limits, and settings for what they do not.

`x-ratelimit-*-requests` count the requests of a day, `x-ratelimit-*-tokens` the tokens of a minute; both refill evenly
(https://console.groq.com/docs/rate-limits). Cached tokens count for neither. The limits of requests a minute and of
tokens a day have no header.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from core.errors import AnalystBusy

_MINUTE_S, _DAY_S = 60.0, 86_400.0
_STEP = 0.2  # how much of what is new a forecast takes on
_NUMBER = re.compile(r"\d{1,18}(\.\d{1,9})?")


@dataclass(slots=True)
class _Bucket:
    """So many per so long, refilled evenly. Without a limit it is never empty."""

    period_s: float
    limit: float = 0.0
    level: float = 0.0
    at: float = 0.0

    def set(self, limit: float, level: float, now: float) -> None:
        self.limit, self.level, self.at = limit, level, now

    def seconds_until(self, amount: float, now: float) -> float:
        """What is more than the whole limit may pass when the bucket is full: the service will say that it is."""
        if self.limit <= 0:
            return 0.0
        self.level = min(self.limit, self.level + max(0.0, now - self.at) * self.limit / self.period_s)
        self.at = now
        return max(0.0, (min(amount, self.limit) - self.level) * self.period_s / self.limit)


@dataclass(slots=True)
class Pace:
    """The pace of one model in one service tier, for all calls of this process.

    A call takes what it is expected to use before it is made and gives back the difference after it. Until a first
    answer has told the limits, one call is under way at a time.
    """

    requests_per_minute: int
    _minute: _Bucket = field(default_factory=lambda: _Bucket(_MINUTE_S))
    _day: _Bucket = field(default_factory=lambda: _Bucket(_DAY_S))
    _tokens: _Bucket = field(default_factory=lambda: _Bucket(_MINUTE_S))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _not_before: float = 0.0
    _pause_reason: str = ""
    _is_told: bool = False
    _calls: int = 0
    _expected: float = 0.0

    def __post_init__(self) -> None:
        self._minute.set(self.requests_per_minute, self.requests_per_minute, time.monotonic())

    async def take(self, tokens: float, leave_by: float | None) -> None:
        """Waits until a call of so many tokens may be made. Raises AnalystBusy when that is after `leave_by`.

        `leave_by` is a time of time.monotonic. Who comes first goes first: a large call is not starved by small ones.
        """
        async with self._turn:
            while True:
                now = time.monotonic()
                wait_s = self._seconds_until(tokens, now)
                if leave_by is not None and now + wait_s > leave_by:
                    if now > leave_by:
                        raise AnalystBusy("groq: no time is left for another call", wait_s)
                    why = self._pause_reason if self._not_before > now else "groq: at its limits"
                    raise AnalystBusy(f"{why} (next call in {wait_s:.0f} s)", wait_s)
                if wait_s == 0 and (self._is_told or self._calls == 0):
                    break
                await self._change(wait_s or (None if leave_by is None else leave_by - now))
            for bucket, amount in ((self._minute, 1.0), (self._day, 1.0), (self._tokens, tokens)):
                bucket.level -= amount
            self._calls += 1
            self._expected += tokens

    def give(self, tokens: float, used: float, headers: Mapping[str, str] | None) -> None:
        """A call has ended that took `tokens`; `used` is what it did use, 0 if nothing was answered."""
        now = time.monotonic()
        self._calls -= 1
        self._expected -= tokens
        self._tokens.level += tokens - used
        if headers is not None:
            # What is still under way is counted once more, in case that the service has not counted it yet.
            self._hear(self._day, headers, "requests", self._calls, now)
            self._hear(self._tokens, headers, "tokens", self._expected, now)
            self._is_told = True
        self._changed.set()

    def pause(self, seconds: float, reason: str) -> None:
        """No call for so long: the service said so, in these words."""
        until = time.monotonic() + seconds
        if until > self._not_before:
            self._not_before, self._pause_reason = until, reason
        self._changed.set()

    async def _change(self, most_s: float | None) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._changed.wait()

    def _seconds_until(self, tokens: float, now: float) -> float:
        return max(
            0.0,
            self._not_before - now,
            self._minute.seconds_until(1, now),
            self._day.seconds_until(1, now),
            self._tokens.seconds_until(tokens, now),
        )

    @staticmethod
    def _hear(bucket: _Bucket, headers: Mapping[str, str], of: str, under_way: float, now: float) -> None:
        limit, left = (headers.get(f"x-ratelimit-{what}-{of}", "") for what in ("limit", "remaining"))
        if _NUMBER.fullmatch(limit) and _NUMBER.fullmatch(left) and float(limit) > 0:
            bucket.set(float(limit), min(float(left), float(limit)) - under_way, now)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """What `retry-after` says, in seconds or as a date (RFC 9110); None where it says nothing that can be read."""
    said = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(said):
        return float(said)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())


@dataclass(slots=True)
class Forecast:
    """How many tokens a call will count for, learnt from those before it; `chars` are of all that is sent.

    Starts high: who asks for too much waits a little, who asks for too little is refused.
    """

    prompt_per_char: float = 0.4
    fresh_share: float = 1.0
    completion: float = 800.0

    def tokens(self, chars: int) -> float:
        return chars * self.prompt_per_char * self.fresh_share + self.completion

    def learn(self, chars: int, prompt: int, cached: int, completion: int) -> None:
        if chars > 0 and prompt > 0:
            self.prompt_per_char += _STEP * (prompt / chars - self.prompt_per_char)
            self.fresh_share += _STEP * ((prompt - cached) / prompt - self.fresh_share)
            self.completion += _STEP * (completion - self.completion)
