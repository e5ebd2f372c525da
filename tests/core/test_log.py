"""Log lines: one line of JSON for a machine, short text for a terminal, whatever is in them."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from core.log import JsonFormatter, TextFormatter


def record(message: str = "venue failed", **extra: Any) -> logging.LogRecord:
    made = logging.getLogger("collect").makeRecord(
        "collect", logging.WARNING, "f.py", 1, message, (), None, extra=extra
    )
    made.created = 1_795_352_700.5
    return made


def test_a_line_is_one_json_object_with_its_extras() -> None:
    line = JsonFormatter().format(record(platform="kalshi", seconds=1.5, seen={1: "a"}))
    assert json.loads(line) == {
        "time": "2026-11-22T13:05:00.500+00:00", "level": "WARNING", "logger": "collect", "message": "venue failed",
        "platform": "kalshi", "seconds": 1.5, "seen": {"1": "a"},
    }  # fmt: skip


ODD: list[Any] = ["line\nbreak", "\ud83d", "\x00\x1b[2J", 10**40, float("nan"), object(), {"k": {"\ud800"}}, b"\xff"]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_nothing_in_a_line_breaks_it(odd: Any) -> None:
    for line in (JsonFormatter().format(record(str(odd), title=odd)), JsonFormatter().format(record(nested=[odd]))):
        assert "\n" not in line
        assert json.loads(line)["level"] == "WARNING"
        line.encode()


def test_an_exception_is_part_of_its_line() -> None:
    try:
        raise ValueError("half \ud83d")
    except ValueError as error:
        made = record()
        made.exc_info = (ValueError, error, error.__traceback__)
    line = JsonFormatter().format(made)
    assert "\n" not in line
    assert "ValueError" in json.loads(line)["exception"]


def test_a_terminal_is_told_the_reason_too_and_is_not_steered_by_it() -> None:
    line = TextFormatter("%(levelname)s %(message)s").format(record(platform="kalshi", error="status 503 \x1b[2J\n"))
    assert line == "WARNING venue failed platform='kalshi' error='status 503 \\x1b[2J\\n'"
