"""Candidates over a queue: whatever comes twice, late, broken or to a worker that dies, each is analysed once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from filelock import FileLock

from analyze import fanning
from bench.analyst import NOW, make_cases, store
from core.errors import BadMessage, JobFailed, TaskTaken
from core.queries import tasks
from core.settings import AnalyzeSettings
from tests.analyze.conftest import MakeRun, rows
from tests.analyze.queueing import MODEL, Groq, Queue, aws, given, outcomes, work
from tests.conftest import ROOT, servers

POISON = ("{", "[]", '{"run": "2026-11-22T13:05:00Z"}', '{"run": "yesterday", "candidate": {}}', "\u2028" * 500)


async def hand_over(make_run: MakeRun, count: int, settings: Mapping[str, Any]) -> Any:
    """The run whose candidates they are."""
    run = await make_run("analyze", NOW, **settings)
    patterns, markets, fair = make_cases(count, 0)
    async with run.transaction() as connection:
        await store(connection, markets)
    said = await fanning.hand_over(run, patterns, markets, fair, {})
    assert said == {"published": 0, "not_published": {"with the workers": count}}
    return run


async def test_what_a_run_hands_over_a_worker_analyses(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    settings = given(groq, queue)
    run = await hand_over(make_run, 13, settings)
    assert groq.answered == []
    assert await work(queue.taken(), database_url, settings) == {}
    stored, ended = await outcomes(run)
    assert set(stored.values()) == {1}
    assert sum(ended.values()) == len(stored) == 13
    assert ended["published"] > 5
    names = await rows(run, "SELECT DISTINCT run FROM ai_calls")
    assert [row["run"] for row in names] == [f"analyze {NOW.isoformat()}"], "the budget is the run's that selected them"


async def test_a_worker_asks_no_more_at_once_than_a_run_may(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    settings = given(groq, queue, ai_concurrency=2)
    await hand_over(make_run, 8, settings)
    assert await work(queue.taken(), database_url, settings) == {}
    assert len(groq.answered) >= 8
    assert groq.most_at_once == 2


async def test_a_message_that_comes_again_is_neither_asked_nor_stored_again(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    settings = given(groq, queue)
    run = await hand_over(make_run, 5, settings)
    bodies = queue.taken()
    await work(bodies, database_url, settings)
    asked, before = len(groq.answered), await outcomes(run)
    assert await work(bodies, database_url, settings) == {}
    assert (len(groq.answered), await outcomes(run)) == (asked, before)


async def test_a_broken_message_fails_and_not_those_beside_it(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    settings = given(groq, queue)
    run = await hand_over(make_run, 2, settings)
    good = queue.taken()
    unstorable = json.loads(good[0])
    unstorable["candidate"]["pattern"]["market_id"] = "KX\0"
    failures = await work([*good, *POISON, json.dumps(unstorable)], database_url, settings)
    assert set(failures) == {str(number) for number in range(2, 3 + len(POISON))}
    assert [type(failures[str(number)]) for number in range(2, 2 + len(POISON))] == [BadMessage] * len(POISON)
    assert len((await outcomes(run))[0]) == 2


async def test_a_message_that_another_worker_is_at_comes_again_until_that_one_is_dead(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    settings = given(groq, queue)
    run = await hand_over(make_run, 1, settings)
    bodies = queue.taken()
    task = fanning._MESSAGE.validate_json(bodies[0]).task
    async with run.transaction() as connection:
        assert await tasks.take_task(connection, task, 60) == 1
    failures = await work(bodies, database_url, settings)
    assert (type(failures["0"]), groq.answered) == (TaskTaken, [])
    await rows(run, "UPDATE analysis_tasks SET free_at = now()")
    assert await work(bodies, database_url, settings) == {}
    (told,) = await rows(run, "SELECT times, outcome FROM analysis_tasks")
    assert told["times"] == 2, "a repeat is counted"
    assert told["outcome"] is not None


async def test_what_waited_too_long_is_not_analysed(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    settings = given(groq, queue)
    run = await hand_over(make_run, 1, settings)
    late = settings | {"clock_start": NOW + timedelta(hours=1)}
    assert await work(queue.taken(), database_url, late) == {}
    assert groq.answered == []
    assert (await outcomes(run))[1] == {"its quote is too old": 1}


async def test_with_the_minute_used_up_by_others_a_message_comes_again(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    settings = given(groq, queue, ai_tokens_per_minute=20_000, ai_timeout_s=2)
    run = await hand_over(make_run, 1, settings)
    await rows(
        run,
        "INSERT INTO ai_calls (at, run, part, platform, market_id, model, prompt_version, evidence_digest, "
        "reserved_usd, reserved_tokens, cost_usd, prompt_tokens, cached_tokens, completion_tokens, ended_at) "
        "VALUES ($1, 'another', 'insights', '', '', $2, '', 0, 0, 0, 0, 19000, 0, 500, clock_timestamp())",
        NOW,
        MODEL,
    )
    bodies = queue.taken()
    chosen = AnalyzeSettings(database_url=database_url, **settings)
    failures = await fanning.work({"a": bodies[0]}, chosen, 30)
    assert "limits of a minute" in str(failures["a"])
    assert groq.answered == []
    await rows(run, "UPDATE ai_calls SET ended_at = ended_at - interval '1 minute', reserved_at = reserved_at")
    assert await fanning.work({"a": bodies[0]}, chosen, 30) == {}
    assert len(groq.answered) == 1


async def test_a_queue_that_is_away_leaves_all_for_the_next_run(make_run: MakeRun, groq: Groq, queue: Queue) -> None:
    run = await make_run("analyze", NOW, **given(groq, queue, analyze_queue_url=f"{queue.endpoint}/123456789012/none"))
    patterns, markets, fair = make_cases(2, 0)
    said = await fanning.hand_over(run, patterns, markets, fair, {})
    assert said["not_published"] == {"left for the next run": 2}
    assert said["queue_error"].startswith("sqs: ")
    assert (await outcomes(run))[1] == {"left for the next run": 2}, "whoever gets one all the same leaves it"


async def test_no_market_keeps_the_others_out_of_the_queue_by_what_its_venue_wrote(
    make_run: MakeRun, groq: Groq, queue: Queue
) -> None:
    run = await make_run("analyze", NOW, **given(groq, queue))
    patterns, markets, fair = make_cases(3, 0)
    odd, large = markets[0].title + " \ufffe\uffff", "\N{SNOWMAN}" * 300_000
    markets = [replace(markets[0], title=odd), replace(markets[1], title=large), markets[2]]
    async with run.transaction() as connection:
        await store(connection, markets)
        await connection.execute("UPDATE markets SET rules = repeat('long ', 4000)")
    said = await fanning.hand_over(run, patterns, markets, fair, {})
    assert said["not_published"] == {"with the workers": 2, "left for the next run": 1}
    bodies = queue.taken()
    titles = [fanning._MESSAGE.validate_json(body).candidate.title for body in bodies]
    assert set(titles) == {odd, markets[2].title}
    assert all(body.isascii() and len(body) < 10_000 for body in bodies)


async def test_what_a_worker_stored_is_told_with_it_or_not_at_all(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    """Who dies between the two would leave an insight that nobody counts as published."""
    settings = given(groq, queue)
    run = await hand_over(make_run, 6, settings)
    await rows(
        run,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed in this moment'; END $$",
    )
    await rows(run, "CREATE TRIGGER die BEFORE UPDATE OF ended_at ON analysis_tasks EXECUTE FUNCTION die()")
    bodies = queue.taken()
    assert len(await work(bodies, database_url, settings)) == 6
    assert (await outcomes(run))[0] == {}
    await rows(run, "DROP TRIGGER die ON analysis_tasks")
    await rows(run, "UPDATE analysis_tasks SET free_at = now()")
    assert await work(bodies, database_url, settings) == {}
    (insights,) = await rows(run, "SELECT count(*) AS n FROM ai_insights")
    assert (await outcomes(run))[1]["published"] == insights["n"] > 0


async def test_a_worker_whose_clock_is_wrong_does_nothing(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    settings = given(groq, queue)
    await hand_over(make_run, 1, settings)
    own = AnalyzeSettings(database_url=database_url, **settings | {"clock_start": None})
    tomorrow = datetime.now(UTC) + timedelta(days=1)  # whose budget nobody has touched
    failures = await fanning.work({"a": queue.taken()[0], "b": "{"}, own, 60, lambda: tomorrow)
    assert {name: type(failure) for name, failure in failures.items()} == {"a": JobFailed, "b": BadMessage}
    assert groq.answered == []


async def test_a_runs_budget_is_no_larger_after_midnight(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue
) -> None:
    settings = given(groq, queue, ai_budget_usd_per_run=0.02, max_quote_age_s=86_400)
    run = await hand_over(make_run, 1, settings)
    await rows(
        run,
        "INSERT INTO ai_calls (at, run, part, platform, market_id, model, prompt_version, evidence_digest, "
        "reserved_usd, reserved_tokens) VALUES ($1, $2, 'insights', '', '', $3, '', 0, 0.02, 1)",
        NOW,
        f"analyze {NOW.isoformat()}",
        MODEL,
    )
    late = settings | {"clock_start": NOW + timedelta(hours=12)}
    assert await work(queue.taken(), database_url, late) == {}
    assert (await outcomes(run))[1] == {"the run's budget is spent": 1}
    assert groq.answered == []


@pytest.fixture
def alone() -> Iterator[None]:
    """Eight workers are enough for a machine."""
    with FileLock(servers() / "workers.lock"):
        yield


class Workers:
    """Processes that poll the queue. One that is killed is followed by another."""

    def __init__(self, count: int, url: str, environment: Mapping[str, str], folder: Path, log: Any) -> None:
        self._command = [sys.executable, "-m", "tests.analyze.lambda_worker", url, str(folder)]
        self._folder = folder
        self._environment, self._log = environment, log
        self.running = [self._begin() for _ in range(count)]

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=self._log)

    def has_begun(self, number: int) -> bool:
        return (self._folder / str(self.running[number].pid)).exists()

    def kill(self, number: int) -> None:
        process = self.running[number]
        assert process.poll() is None, "a worker ended by itself"
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        self.running[number] = self._begin()

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.wait(30)


def environment(database_url: str, queue: Queue, settings: Mapping[str, Any]) -> dict[str, str]:
    texts = {name.upper(): value if isinstance(value, str) else str(value) for name, value in settings.items()}
    own = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "DATABASE_URL": database_url}
    return own | texts | aws(queue.endpoint) | {"DATABASE_POOL_SIZE": "2", "POWERTOOLS_TRACE_DISABLED": "true"}


def reserved_usd(database_url: str) -> Decimal:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT coalesce(sum(coalesce(cost_usd, reserved_usd)), 0) FROM ai_calls").fetchone()
    assert row is not None
    return Decimal(row[0])


def drain(workers: Workers, queue: Queue, database_url: str, kills: int, draw: random.Random) -> Decimal:
    """Kills workers that have been given work, at random moments, until the queue is empty. The most dollars that were
    ever taken."""
    most = Decimal(0)
    while queue.left():
        time.sleep(draw.uniform(0.5, 2.5))
        most = max(most, reserved_usd(database_url))
        begun = [number for number in range(len(workers.running)) if workers.has_begun(number)]
        if kills and begun:
            workers.kill(draw.choice(begun))
            kills -= 1
    return max(most, reserved_usd(database_url))


@contextmanager
def working(
    count: int, queue: Queue, database_url: str, settings: Mapping[str, Any], folder: Path
) -> Iterator[Workers]:
    with ExitStack() as stack:
        said = stack.enter_context((folder / "workers.log").open("wb"))
        workers = Workers(count, queue.url, environment(database_url, queue, settings), folder, said)
        stack.callback(workers.stop)
        yield workers


@pytest.mark.week
@pytest.mark.usefixtures("alone")
@pytest.mark.timeout(2_400)
async def test_two_thousand_candidates_over_eight_workers_that_are_killed_are_each_stored_once(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    count, tokens, usd = 2_000, 1_500_000, 10
    limits = {"ai_tokens_per_minute": tokens, "ai_budget_usd_per_day": usd, "ai_budget_usd_per_run": usd}
    settings = given(groq, queue, ai_timeout_s=2, **limits)
    run = await hand_over(make_run, count, settings)
    draw = random.Random(request.node.nodeid)
    once = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10, VisibilityTimeout=0)["Messages"]
    for body in [message["Body"] for message in once] * 10 + list(POISON) * 4:
        queue.client.send_message(QueueUrl=queue.url, MessageBody=body)
    with working(8, queue, database_url, settings, tmp_path) as workers:
        most = await asyncio.to_thread(drain, workers, queue, database_url, 25, draw)
    stored, ended = await outcomes(run)
    assert len(stored) == sum(ended.values()) == count
    assert set(stored.values()) == {1}, [market for market, times in stored.items() if times > 1]
    (repeats,) = await rows(run, "SELECT count(*) AS n FROM analysis_tasks WHERE times > 1")
    assert repeats["n"] > 0, "no kill hit a worker that was at something"
    assert Counter(queue.taken(queue.dead)) == Counter(list(POISON) * 4)
    assert groq.most_tokens_in_a_minute() <= tokens
    assert groq.usd() <= most <= usd
    print(
        f"\n{len(groq.answered)} calls, {repeats['n']} repeats, {dict(ended)}; at most "
        f"{groq.most_tokens_in_a_minute():,} tokens a minute, {groq.usd():.4f} USD used, {most:.4f} taken"
    )


@pytest.mark.week
@pytest.mark.usefixtures("alone")
@pytest.mark.timeout(1_200)
async def test_eight_workers_that_are_killed_never_spend_more_than_the_budget(
    make_run: MakeRun, database_url: str, groq: Groq, queue: Queue, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    count, usd, tokens = 300, 0.04, 120_000  # the minute is what slows them, the dollars are what ends it
    limits = {"ai_tokens_per_minute": tokens, "ai_budget_usd_per_day": 10, "ai_budget_usd_per_run": usd}
    settings = given(groq, queue, ai_timeout_s=2, **limits)
    run = await hand_over(make_run, count, settings)
    with working(8, queue, database_url, settings, tmp_path) as workers:
        most = await asyncio.to_thread(drain, workers, queue, database_url, 5, random.Random(request.node.nodeid))
    _, ended = await outcomes(run)
    assert sum(ended.values()) == count
    assert ended["the run's budget is spent"] > 0
    assert ended["published"] > 0
    assert groq.usd() <= most <= Decimal(str(usd))
    assert groq.most_tokens_in_a_minute() <= tokens < sum(used for _, used, _ in groq.answered)
    assert queue.taken(queue.dead) == []
