"""The pace: what headers and settings allow, in the order in which it was asked for."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent.pacing import Forecast, Pace, retry_after_s
from core.errors import AnalystBusy

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)


def headers(
    *, tokens: tuple[object, object] = (6_000, 6_000), requests: tuple[object, object] = (500, 500)
) -> dict[str, str]:
    return {
        "x-ratelimit-limit-tokens": str(tokens[0]),
        "x-ratelimit-remaining-tokens": str(tokens[1]),
        "x-ratelimit-limit-requests": str(requests[0]),
        "x-ratelimit-remaining-requests": str(requests[1]),
    }


def soon() -> float:
    """Nothing that has to be waited for can be had by then."""
    return time.monotonic() + 0.005


async def told(**given: tuple[object, object]) -> Pace:
    """A pace whose first call has just come back, having used nothing."""
    pace = Pace(0)
    await pace.take(0, None)
    pace.give(0, 0, headers(**given))
    return pace


async def test_until_limits_are_told_one_call_is_under_way_at_a_time() -> None:
    pace = Pace(0)
    await pace.take(10, None)
    second = asyncio.create_task(pace.take(10, None))
    await asyncio.sleep(0.02)
    assert not second.done()
    pace.give(10, 10, headers())
    await asyncio.wait_for(second, 5)


async def test_what_is_left_by_the_headers_may_be_used_at_once_and_no_more() -> None:
    pace = await told(tokens=(6_000, 900))
    await pace.take(500, soon())
    await pace.take(400, soon())
    with pytest.raises(AnalystBusy, match="at its limits") as busy:
        await pace.take(50, soon())
    assert 0.3 < busy.value.wait_s <= 0.5, "50 tokens of 100 a second"


async def test_when_the_runs_time_is_up_that_is_what_is_said() -> None:
    pace = await told(tokens=(6_000, 6_000))
    with pytest.raises(AnalystBusy, match="no time is left"):
        await pace.take(50, time.monotonic() - 1)


async def test_what_a_call_did_not_use_is_free_again() -> None:
    pace = await told(tokens=(6_000, 900))
    await pace.take(900, soon())
    pace.give(900, 100, None)
    await pace.take(790, soon())


async def test_what_is_under_way_is_not_taken_for_free_when_an_answer_tells_what_is_left() -> None:
    pace = await told(tokens=(6_000, 6_000))
    await pace.take(2_000, soon())
    await pace.take(3_000, soon())
    pace.give(2_000, 1_500, headers(tokens=(6_000, 4_500)))
    with pytest.raises(AnalystBusy):
        await pace.take(1_700, soon())
    await pace.take(1_400, soon())


async def test_a_days_requests_are_kept_too() -> None:
    pace = await told(requests=(86_400, 1))
    await pace.take(1, soon())
    with pytest.raises(AnalystBusy) as busy:
        await pace.take(1, soon())
    assert 0.9 < busy.value.wait_s <= 1, "one a second"


async def test_requests_a_minute_come_from_the_settings() -> None:
    pace = Pace(2)
    await pace.take(0, None)
    pace.give(0, 0, headers())
    await pace.take(0, soon())
    with pytest.raises(AnalystBusy) as busy:
        await pace.take(0, soon())
    assert 29 < busy.value.wait_s <= 30


async def test_a_call_larger_than_the_limit_is_made_when_the_bucket_is_full() -> None:
    pace = await told(tokens=(6_000, 6_000))
    await pace.take(50_000, soon())


async def test_a_pause_holds_all_and_a_shorter_one_does_not_end_it() -> None:
    pace = await told()
    pace.pause(40, "told so")
    pace.pause(1, "told again")
    with pytest.raises(AnalystBusy, match="told so") as busy:
        await pace.take(1, soon())
    assert 39 < busy.value.wait_s <= 40


@pytest.mark.parametrize(
    "nonsense", [("", ""), ("many", "more"), ("-1", "5"), ("0", "0"), ("1e9", "nan"), ("9" * 40, "1")]
)
async def test_headers_that_say_nothing_limit_nothing(nonsense: tuple[str, str]) -> None:
    pace = await told(tokens=nonsense, requests=nonsense)
    for _ in range(20):
        await pace.take(10_000, soon())


async def test_who_came_first_goes_first() -> None:
    pace = await told(tokens=(600_000, 0))
    order: list[int] = []

    async def call(number: int, tokens: int) -> None:
        await pace.take(tokens, None)
        order.append(number)

    await asyncio.gather(call(1, 2_000), call(2, 10), call(3, 10))
    assert order == [1, 2, 3]


@given(st.lists(st.tuples(st.integers(1, 3_000), st.floats(0, 2)), min_size=1, max_size=30))
async def test_calls_never_take_more_than_bucket_and_time_allow(calls: list[tuple[int, float]]) -> None:
    started = time.monotonic()
    pace = await told(tokens=(6_000, 6_000))
    used = 0.0
    for tokens, share in calls:
        try:
            await pace.take(tokens, time.monotonic())
        except AnalystBusy:
            continue
        pace.give(tokens, tokens * share, None)
        used += tokens * share
        over = max(0.0, tokens * (share - 1))  # what nobody could foresee
        assert used - over <= 6_000 + 100 * (time.monotonic() - started) + 1


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0.25", 0.25),
        (" 86400 ", 86_400.0),
        (format_datetime(NOW + timedelta(hours=2), usegmt=True), 7_200.0),
        (format_datetime(NOW - timedelta(hours=2), usegmt=True), 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(said: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": said}, NOW) == seconds


def test_a_forecast_comes_to_what_calls_use() -> None:
    forecast = Forecast()
    for _ in range(60):
        forecast.learn(8_000, 2_000, 1_500, 300)
    assert abs(forecast.tokens(8_000) - 800) < 10
