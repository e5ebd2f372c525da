"""When jobs are due; two hosts' schedulers over days with skewed clocks, late starts, deaths and partitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runtime import JOBS
from core.schedule import last_due, waits_for_us

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AFTER, SKEW = 10 * MINUTE, MINUTE


@pytest.mark.parametrize(
    ("cron", "at", "due"),
    [
        ("*/15 * * * *", NOON, NOON),
        ("*/15 * * * *", NOON + timedelta(minutes=14, seconds=59), NOON),
        ("*/15 * * * *", NOON - timedelta(microseconds=1), NOON - 15 * MINUTE),
        ("10 3 * * *", NOON, NOON.replace(hour=3, minute=10)),
        ("0 13 * * *", NOON, NOON.replace(day=21, hour=13)),
        ("10 3 * * *", NOON.astimezone(datetime.now().astimezone().tzinfo), NOON.replace(hour=3, minute=10)),
    ],
)
def test_a_job_was_last_due_at_its_time_or_before(cron: str, at: datetime, due: datetime) -> None:
    assert last_due(cron, at) == due


def test_what_never_ran_waits_for_whoever_comes() -> None:
    assert waits_for_us("0 13 * * *", NOON, None, AFTER, SKEW)


@given(
    cron=st.sampled_from([job.cron for job in JOBS.values() if job.cron]),
    at=st.integers(0, 365 * 86_400).map(lambda s: NOON + timedelta(seconds=s)),
)
def test_the_last_due_time_is_one_of_the_crons_and_none_lies_between(cron: str, at: datetime) -> None:
    due = last_due(cron, at)
    assert due <= at
    assert last_due(cron, due) == due
    assert last_due(cron, at - timedelta(microseconds=1)) in (due, last_due(cron, due - MINUTE))


def runs(home: list[datetime], hosted: list[datetime], cron: str) -> list[tuple[datetime, str]]:
    """Who began when, by the database's clock: home whenever it starts, the hosted cron only when it is called for."""
    begun = [(NOON - 15 * MINUTE, "home")]
    for at, who in sorted([(at, "home") for at in home] + [(at, "hosted") for at in hosted]):
        if who == "home" or waits_for_us(cron, at, begun[-1][0], AFTER, SKEW):
            begun.append((at, who))
    return begun


def seconds(most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(0, most).map(lambda value: timedelta(seconds=value))


@given(
    ahead=st.integers(-59, 59),
    jitter=st.lists(seconds(20), min_size=96, max_size=96),
    late=st.lists(seconds(180), min_size=288, max_size=288),
    away=st.tuples(st.integers(0, 95), st.integers(0, 95)).map(sorted),
)
def test_two_schedulers_never_do_a_turn_twice_and_the_gap_at_a_death_is_half_an_hour_at_most(
    ahead: int, jitter: list[timedelta], late: list[timedelta], away: list[int]
) -> None:
    cron = "*/15 * * * *"
    turns = [NOON + 15 * number * MINUTE for number in range(96)]
    reached = [turn for number, turn in enumerate(turns) if not away[0] <= number < away[1]]
    home = [at - timedelta(seconds=ahead) + jitter[turns.index(at)] for at in reached]
    hosted = [NOON + 5 * number * MINUTE + late[number] for number in range(288)]
    begun = runs(home, hosted, cron)
    times = [at for at, _ in begun]
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) <= 30 * MINUTE
    done = [last_due(cron, at + SKEW) for at in times]
    assert len(set(done)) == len(done)
    # While home is there the hosted cron has nothing to do.
    assert all(who == "home" or away[0] < away[1] for _, who in begun)
