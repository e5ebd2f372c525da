"""The benches run against the product as it is, and a run of one keeps what the others said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import history, storage
from bench.__main__ import BENCHES, main
from core import db

NAMES = [name for names in BENCHES for name in names]


def entry(name: str, value: float = 1.0) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "ms", "against": "a run before", "bar": None, "met": None}


def test_a_run_of_one_bench_updates_its_entry_and_keeps_the_others(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps([entry(name) for name in [*reversed(NAMES), "of_long_ago"]]))
    assert main(["detect_kernel_ms_50k"], file) == 0
    told = {said["name"]: said for said in json.loads(file.read_text())}
    assert list(told) == NAMES
    assert {name for name, said in told.items() if said["against"] != "a run before"} == {"detect_kernel_ms_50k"}
    assert told["detect_kernel_ms_50k"]["value"] > 1


def test_the_first_run_of_one_bench_writes_that_one(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    assert main(["detect_kernel_ms_50k"], file) == 0
    assert [said["name"] for said in json.loads(file.read_text())] == ["detect_kernel_ms_50k"]


def test_a_bench_that_is_not_there_changes_nothing_and_names_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    assert main(["fast"], file) == 2
    assert not file.exists()
    assert all(name in capsys.readouterr().err for name in sorted(NAMES)[:1])


async def test_storage_is_measured_through_the_products_queries(connection: db.Connection) -> None:
    results = await storage.measure(connection, 20, 5_000)
    assert [result.name for result in results] == [
        *("insert_1000_ms", "latest_price_ms", "history_24h_ms", "history_90d_ms", "search_ms")
    ]
    assert all(result.value > 0 for result in results)


async def test_the_history_read_tells_its_growth_and_its_price(connection: db.Connection) -> None:
    speed, size = await history.measure(connection, 20, 100)
    assert (speed.name, size.name) == ("history_read_ms_100k", "history_read_mb_100k")
    assert "for x5 the markets" in speed.against
    assert 0 < size.value < 1
