"""With nothing collected yet the analyze job says so and ends well."""

from __future__ import annotations

from analyze import pipeline
from tests.analyze.conftest import NOW, MakeRun, Outside


async def test_an_empty_database_is_explained(make_run: MakeRun, outside: Outside) -> None:
    summary = await pipeline.run(await make_run("analyze", NOW, **outside.settings()))
    assert summary["history"] == "no open markets"
    assert summary["funnel"] == {
        "markets": 0,
        "detected": 0,
        "scored": 0,
        "selected": 0,
        "analyzed": 0,
        "published": 0,
        "dropped": {},
    }
    assert summary["insights"] == {"published": 0, "note": "nothing was selected"}
    assert summary["arbitrage"] == {"published": 0, "withdrawn": 0, "not_shown": {}}
    assert outside.calls() == []
