"""Replay and the cost report, by the commands an operator types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analyze import digest
from core.agent import prompt
from tests.analyze.conftest import NOW, MakeRun, Outside, rows
from tests.analyze.test_explaining import answer, explain
from tests.analyze.test_judging import judged, one_bundle

ROOT = Path(__file__).resolve().parents[2]


def command(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {"PATH": os.environ["PATH"], "CLOCK_START": NOW.isoformat(), "CLOCK_SPEED": "0", **environment}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, env=told, capture_output=True, text=True, check=False
    )


@pytest.fixture
async def insight(make_run: MakeRun, outside: Outside) -> dict[str, Any]:
    outside.plan_groq(answers=[answer()])
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await explain(run))["published"] == 1
    (found,) = await rows(run, "SELECT * FROM ai_insights")
    return found


def test_an_insight_is_shown_with_all_that_it_was_made_from(insight: dict[str, Any], database_url: str) -> None:
    done = command("analyze.replay", str(insight["id"]), DATABASE_URL=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown["answer"] == insight["answer"]
    assert shown["evidence"] == insight["evidence"]
    assert shown["prompt"]["version"] == prompt.VERSION
    assert shown["prompt"]["system"] == prompt.SYSTEM
    assert "Will the treaty be signed?" in shown["prompt"]["asked"][0]["content"]
    assert shown["fees"] == {"taker_fee_rate": "0.07", "taker_fee_exponent": "1"}
    assert shown["model"] == insight["model"]
    assert shown["today"]["evidence_is_the_same"] is True
    assert shown["today"]["faults"] == []
    assert "again" not in shown


def test_an_insight_can_be_asked_for_again_in_the_same_words(
    insight: dict[str, Any], database_url: str, outside: Outside
) -> None:
    outside.plan_groq(answers=[answer(one_liner="Buy YES: the price of NO is 41¢.")] * 2)
    where = {
        "DATABASE_URL": database_url,
        "GROQ_BASE_URL": outside.groq,
        "GROQ_API_KEY": outside.settings()["groq_api_key"],
    }
    done = command("analyze.replay", str(insight["id"]), "--again", **where)
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)["again"]
    assert again["answer"] is None
    assert "the YES ask is told as no" in again["faults"]
    first, second, _ = outside.calls()
    assert second["messages"] == first["messages"]
    assert second["params"] == first["params"]


@pytest.mark.parametrize(("said", "code"), [("6f0a8f5e-0000-4000-8000-000000000000", 1), ("not an id", 2)])
def test_what_is_no_insight_is_told_in_a_line(database_url: str, said: str, code: int) -> None:
    done = command("analyze.replay", said, DATABASE_URL=database_url)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


def test_the_report_tells_what_was_spent(insight: dict[str, Any], database_url: str) -> None:
    done = command("analyze.costs", DATABASE_URL=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    head, line, total = done.stdout.splitlines()
    told = dict(zip(head.split("\t"), line.split("\t"), strict=True))
    assert (told["day"], told["part"], told["calls"], told["published"]) == ("2026-11-22", "insights", "1", "1")
    assert told["usd"] == f"{insight['cost_usd']:.6f}"
    assert total == f"1 calls, {insight['cost_usd']:.6f} USD, {insight['cost_usd']:.6f} for each of 1 published"


@pytest.fixture
async def opportunity(make_run: MakeRun, outside: Outside) -> dict[str, Any]:
    run = await make_run("analyze", NOW, **outside.settings())
    assert (await judged(run, [one_bundle()]))["analysed"] == 1
    (found,) = await rows(run, "SELECT id::text, settlement_risk FROM arbitrage_opportunities")
    return found


@pytest.mark.parametrize("again", [False, True])
def test_an_opportunitys_analysis_is_shown_and_asked_again(
    opportunity: dict[str, Any], database_url: str, outside: Outside, *, again: bool
) -> None:
    key = outside.settings()["groq_api_key"]
    more = ["--again"] if again else []
    environment = {"DATABASE_URL": database_url, "GROQ_API_KEY": key, "GROQ_BASE_URL": outside.groq}
    done = command("analyze.replay", opportunity["id"], *more, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown["opportunity"]["id"] == opportunity["id"]
    assert shown["prompt"]["version"] == prompt.CROSS_VENUE_VERSION
    assert shown["prompt"]["system"] == prompt.CROSS_VENUE
    assert shown["today"]["faults"] == []
    assert shown["inputs"]["bundle"]["kind"] == shown["answer"]["type"]
    assert ("again" in shown) == again
    if again:
        assert shown["again"]["answer"] == shown["answer"]


@pytest.mark.usefixtures("opportunity")
async def test_a_days_digest_is_shown_with_what_it_was_made_from(
    make_run: MakeRun, outside: Outside, database_url: str
) -> None:
    run = await make_run("digest", NOW, **outside.settings())
    assert (await digest.run(run))["by"].startswith("stand-in:")
    done = command("analyze.replay", NOW.date().isoformat(), DATABASE_URL=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown["prompt"]["system"] == prompt.DIGEST
    assert shown["today"]["faults"] == []
    assert len(shown["inputs"]["day"]["bundles"]) == 1
    told = command("analyze.costs", DATABASE_URL=database_url).stdout
    assert {"bundles", "digest"} <= {line.split("\t")[1] for line in told.splitlines() if "\t" in line}


def test_a_day_without_a_digest_is_named(database_url: str) -> None:
    done = command("analyze.replay", "2026-01-01", DATABASE_URL=database_url)
    assert (done.returncode, done.stderr) == (1, "replay: digest of 2026-01-01: there is none\n")
