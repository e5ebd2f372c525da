"""A queue of SQS, an analyst whose calls are counted, and a worker's turn: what tests of the fan-out stand on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import boto3

from analyze import fanning
from bench.analyst import NOW
from core.agent.models import cost_usd
from core.settings import AnalyzeSettings
from local.groq import Limits
from local.groq import make_app as make_groq
from tests.analyze.lambda_worker import WITHIN_S
from tests.conftest import served

MODEL = "openai/gpt-oss-20b"
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
    under_way: int = 0
    most_at_once: int = 0

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

            if scope["type"] != "http":
                return await inner(scope, receive, send)
            self.under_way += 1
            self.most_at_once = max(self.most_at_once, self.under_way)
            try:
                await inner(scope, receive, sent)
            finally:
                self.under_way -= 1

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


@contextmanager
def analyst() -> Iterator[Groq]:
    groq = Groq()
    with served(groq.app()) as groq.address:
        yield groq


@contextmanager
def queues() -> Iterator[Queue]:
    """For clients that `aws(endpoint)` is set for."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert server.stdout is not None
    endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
    own = aws(endpoint)
    client = boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name=own["AWS_DEFAULT_REGION"],
        aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
    )
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


async def work(bodies: list[str], database_url: str, settings: Mapping[str, Any]) -> dict[str, Exception]:
    chosen = AnalyzeSettings(database_url=database_url, **settings)
    return await fanning.work({str(number): body for number, body in enumerate(bodies)}, chosen, 60)


async def outcomes(run: Any) -> tuple[Counter[str], Counter[str]]:
    """Of each market how often it was stored, and how often each outcome was."""
    async with run.transaction() as connection:
        stored = await connection.fetch(
            "SELECT market_id FROM ai_insights UNION ALL SELECT market_id FROM withheld_insights"
        )
        ended = await connection.fetch("SELECT outcome FROM analysis_tasks WHERE ended_at IS NOT NULL")
    return Counter(row["market_id"] for row in stored), Counter(row["outcome"] for row in ended)
