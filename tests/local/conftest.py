"""What several tests of the local kit share."""

from collections.abc import AsyncIterator

import httpx
import pytest

from local.replay import make_app
from tests.local.replayed import NOW, world


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """The venues, replayed at NOW."""
    transport = httpx.ASGITransport(app=make_app(world(), lambda: NOW))
    async with httpx.AsyncClient(transport=transport, base_url="http://venues") as client:
        yield client
