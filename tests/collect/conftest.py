"""The venues that the jobs collect from."""

from collections.abc import Iterator

import pytest

from tests.core.wire import Replay, replaying, small_world


@pytest.fixture
def replay() -> Iterator[Replay]:
    with replaying(small_world()) as replay:
        yield replay
