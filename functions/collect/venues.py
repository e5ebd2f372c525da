"""One piece of work for each venue: one that is down is said, all being down is a failed job."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from core.errors import JobFailed, VenueError
from core.models import PLATFORMS, Platform
from core.runtime import Run
from core.settings import CollectSettings
from core.venues.lines import Lines, open_lines

log = logging.getLogger(__name__)

VenueWork = Callable[[Run[CollectSettings], Platform, Lines], Awaitable[dict[str, Any]]]


async def each_venue(run: Run[CollectSettings], work: VenueWork) -> dict[str, Any]:
    """The work's summary by venue, `{"error": …}` for one that failed."""
    summary: dict[Platform, dict[str, Any]] = {}
    async with open_lines(run.settings) as lines:
        for platform in PLATFORMS:
            try:
                summary[platform] = await work(run, platform, lines[platform])
            except VenueError as error:
                log.error("venue failed", extra={"platform": platform, "error": str(error)})
                summary[platform] = {"error": str(error)}
    fail_if_all_down({platform: said["error"] for platform, said in summary.items() if "error" in said})
    return {str(platform): said for platform, said in summary.items()}


def fail_if_all_down(errors: dict[Platform, str]) -> None:
    if len(errors) == len(PLATFORMS):
        said = "; ".join(f"{platform}: {error}" for platform, error in errors.items())
        raise JobFailed(f"no venue could be read: {said}")
