"""The base-rates job: what it replays, what it does not do twice, what it says when it cannot know."""

from __future__ import annotations

from datetime import timedelta

import pytest

from analyze import base_rates
from tests.analyze.conftest import NOW, MakeRun, Outside, rows

pytestmark = pytest.mark.usefixtures("collected")


async def test_a_first_run_replays_what_history_there_is(make_run: MakeRun, outside: Outside) -> None:
    run = await make_run("base-rates", NOW)
    summary = await base_rates.run(run)
    print(summary)
    stored = await rows(run, "SELECT * FROM rate_moments")
    assert summary["moments"]["kept"] == len(stored) > 0
    assert summary["hours_left"] == 0
