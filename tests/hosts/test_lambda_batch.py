"""The built analyze function answers a batch out of SQS: what failed of it comes again, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from analyze.fanning import _MESSAGE, Message
from bench.analyst import NOW, make_cases
from core.agent.evidence import Candidate
from local.groq import make_app as make_groq
from tests.conftest import served
from tests.hosts.hosting import clean_environment
from tests.hosts.on_lambda import Deploy, needs_emulator

pytestmark = needs_emulator


@pytest.fixture
def groq() -> Iterator[str]:
    with served(make_groq()) as address:
        yield address


@pytest.fixture
def environment(database_url: str, groq: str) -> dict[str, str]:
    clock = {"CLOCK_START": NOW.isoformat(), "CLOCK_SPEED": "0"}
    return clean_environment(DATABASE_URL=database_url, GROQ_BASE_URL=groq, GROQ_API_KEY="gsk_of_the_tests") | clock


def bodies(database_url: str, count: int) -> list[str]:
    """Messages of markets that are stored."""
    patterns, markets, fair = make_cases(count, 0)
    with psycopg.connect(database_url) as connection:
        for market in markets:
            connection.execute(
                "INSERT INTO markets (platform, market_id, title, rules, yes_label, no_label, url, status, "
                "terms_digest, raw_data, first_seen_at, terms_seen_at, status_seen_at) "
                "VALUES (%s, %s, %s, '', 'Yes', 'No', '', 'open', 1, '{}', now(), now(), now())",
                [market.platform, market.market_id, market.title],
            )
    return [
        _MESSAGE.dump_json(
            Message(
                NOW,
                Candidate(
                    pattern=pattern,
                    title=market.title,
                    rules="",
                    close_time=market.close_time,
                    price=market.price,
                    yes_price=market.yes_price,
                    no_price=market.no_price,
                    volume_24h=market.volume_24h,
                    fee_rate=market.fee_rate,
                    fee_exponent=market.fee_exponent,
                    quoted_at=market.quoted_at,
                    fair=fair[market.platform, market.market_id],
                ),
            )
        ).decode()
        for pattern, market in zip(patterns, markets, strict=True)
    ]


def event(*said: str) -> dict[str, Any]:
    """As Lambda is given it; the message ids are the numbers of the bodies."""
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1795352700000",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1795352700001",
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:candidates",
                "awsRegion": "eu-west-1",
            }
            for number, body in enumerate(said)
        ]
    }


def tasks(database_url: str) -> list[dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute("SELECT * FROM analysis_tasks ORDER BY market_id").fetchall()


def test_of_a_batch_what_failed_is_told_and_the_rest_is_stored_cold_and_warm(
    deploy: Deploy, environment: dict[str, str], database_url: str
) -> None:
    good = bodies(database_url, 4)
    with deploy("analyze", environment) as container:
        cold = container.invoke(event(good[0], "{", good[1]))
        warm = container.invoke(event(good[2], good[0], json.dumps({"run": "never"}), good[3]))
    assert (cold, warm) == (
        {"batchItemFailures": [{"itemIdentifier": "1"}]},
        {"batchItemFailures": [{"itemIdentifier": "2"}]},
    )
    assert [task["times"] for task in tasks(database_url)] == [1] * 4
    assert all(task["outcome"] is not None for task in tasks(database_url))


def test_a_batch_of_which_all_fails_is_no_error_of_the_function(deploy: Deploy, environment: dict[str, str]) -> None:
    with deploy("analyze", environment) as container:
        assert container.invoke(event("{")) == {"batchItemFailures": [{"itemIdentifier": "0"}]}


def test_with_the_database_away_the_whole_batch_comes_again(
    deploy: Deploy, environment: dict[str, str], database_url: str
) -> None:
    (good,) = bodies(database_url, 1)
    away = environment | {"DATABASE_URL": "postgresql://someone:hunter2-of-the-tests@127.0.0.1:1/nothing"}
    with deploy("analyze", away) as container:
        answer = container.invoke(event(good))
        said = container.server.said()
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert "database: " in said
    assert "hunter2" not in said
