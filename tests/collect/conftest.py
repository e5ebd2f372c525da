"""The venues that the jobs collect from, and a collect run over them."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from collect import sweep
from core.runtime import Run
from core.settings import CollectSettings
from tests.core.wire import Replay, replaying, small_world

MakeRun = Callable[..., Awaitable[Run[CollectSettings]]]
Collect = Callable[..., Awaitable[dict[str, Any]]]
QUARTER = timedelta(minutes=15)


@pytest.fixture
def replay() -> Iterator[Replay]:
    with replaying(small_world()) as replay:
        yield replay


@pytest.fixture
def collect(make_run: MakeRun, replay: Replay) -> Collect:
    """One run of the job at `replay.now`."""

    async def once(**settings: Any) -> dict[str, Any]:
        return await sweep.run(await make_run("collect", replay.now, **(replay.settings | settings)))

    return once
