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
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from filelock import FileLock

from analyze import fanning
from bench.analyst import NOW, make_cases, store
from core.agent.models import cost_usd
from core.errors import BadMessage, TaskTaken
from core.queries import tasks
from core.settings import AnalyzeSettings
from local.groq import Limits
from local.groq import make_app as make_groq
from tests.analyze.conftest import MakeRun, rows
from tests.analyze.lambda_worker import WITHIN_S
from tests.conftest import ROOT, served, servers

MODEL = "openai/gpt-oss-20b"
POISON = ("{", "[]", '{"run": "2026-11-22T13:05:00Z"}', '{"run": "yesterday", "candidate": {}}', "\u2028" * 500)
RECEIVES = 10
# One request after another: moto's queues lose and repeat messages when two threads delete from them at once.
SERVER = """
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.server_port, flush=True)
server.serve_forever()
"""


@dataclass
class Groq:
    """The stand-in behind a wire that notes when each call came, and what its answer used."""

    address: str = ""
    answered: list[tuple[float, int, Decimal]] = field(default_factory=list)

    def app(self) -> Any:
        unlimited = Limits(requests_per_minute=10**9, requests_per_day=10**9, tokens_per_minute=10**9)
        inner = make_groq(limits=unlimited, latency_ms=50)

        async def noted(scope: Any, receive: Any, send: Any) -> None:
            came, body = time.monotonic(), bytearray()

            async def sent(message: Any) -> None:
                body.extend(message.get("body", b""))
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    self._note(came, bytes(body))
                await send(message)

            await inner(scope, receive, sent if scope["type"] == "http" else send)

        return noted

    def _note(self, came: float, body: bytes) -> None:
        usage = json.loads(body).get("usage")
        if usage is None:
            return
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        tokens = usage["prompt_tokens"] - cached + usage["completion_tokens"]
        cost = cost_usd(MODEL, usage["prompt_tokens"], cached, usage["completion_tokens"])
        self.answered.append((came, tokens, cost))

    def usd(self) -> Decimal:
        return sum((cost for _, _, cost in self.answered), Decimal(0))

    def most_tokens_in_a_minute(self) -> int:
        """Of all sixty seconds that begin with a call."""
        calls, most, first, held = sorted(self.answered), 0, 0, 0
        for came, tokens, _ in calls:
            held += tokens
            while came - calls[first][0] >= 60:
                held -= calls[first][1]
                first += 1
            most = max(most, held)
        return most


@dataclass
class Queue:
    """Two queues of SQS behind real HTTP, the second for what was received too often."""

    client: Any
    endpoint: str
    url: str
    dead: str

    def left(self) -> int:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        told = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(names))["Attributes"]
        return sum(int(told[name]) for name in names)

    def taken(self, url: str | None = None) -> list[str]:
        """Bodies, deleted as they are read."""
        found = []
        while messages := self.client.receive_message(QueueUrl=url or self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(message["Body"])
                self.client.delete_message(QueueUrl=url or self.url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def groq() -> Iterator[Groq]:
    groq = Groq()
    with served(groq.app()) as groq.address:
        yield groq


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert server.stdout is not None
    endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
    for name, value in aws(endpoint).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("sqs")
    dead = client.create_queue(QueueName="dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES})
    attributes: Any = {"VisibilityTimeout": str(int(WITHIN_S)), "RedrivePolicy": redrive}
    url = client.create_queue(QueueName="candidates", Attributes=attributes)["QueueUrl"]
    yield Queue(client, endpoint, url, dead)
    server.kill()
    server.communicate(timeout=30)


def aws(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_SQS": endpoint,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "of-the-tests",
        "AWS_SECRET_ACCESS_KEY": "of-the-tests",
    }


def given(groq: Groq, queue: Queue, **more: Any) -> dict[str, Any]:
    return {
        "groq_base_url": groq.address,
        "groq_api_key": "gsk_of_the_tests",
        "analyze_queue_url": queue.url,
        "ai_budget_usd_per_day": 100,
        "ai_budget_usd_per_run": 100,
        "ai_requests_per_minute": 0,
        "clock_start": NOW,
        "clock_speed": 0,
    } | more


async def hand_over(make_run: MakeRun, count: int, settings: Mapping[str, Any]) -> Any:
    """The run whose candidates they are."""
    run = await make_run("analyze", NOW, **settings)
    patterns, markets, fair = make_cases(count, 0)
    async with run.transaction() as connection:
        await store(connection, markets)
    assert (await fanning.hand_over(run, patterns, markets, fair, {})) == {"published": 0, "handed_over": count}
    return run


async def work(bodies: list[str], database_url: str, settings: Mapping[str, Any]) -> dict[str, Exception]:
    chosen = AnalyzeSettings(database_url=database_url, **settings)
    return await fanning.work({str(number): body for number, body in enumerate(bodies)}, chosen, 60)


async def outcomes(run: Any) -> tuple[Counter[str], Counter[str]]:
    """Of each market how often it was stored, and how often each outcome was."""
    stored = await rows(run, "SELECT market_id FROM ai_insights UNION ALL SELECT market_id FROM withheld_insights")
    ended = await rows(run, "SELECT outcome FROM analysis_tasks")
    return Counter(row["market_id"] for row in stored), Counter(row["outcome"] for row in ended)


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
    assert said["error"].startswith("sqs: ")


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
