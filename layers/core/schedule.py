"""When jobs are due, and when one is a stand-by's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def last_due(cron: str, at: datetime) -> datetime:
    """The last moment up to `at`, an aware time, at which `cron` (in UTC) starts."""
    from cronsim import CronSim  # only where it is asked: no server's start needs it

    behind = at.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    due: datetime = next(CronSim(cron, behind, reverse=True))
    return due


def waits_for_us(cron: str, now: datetime, began: datetime | None, after: timedelta, skew: timedelta) -> bool:
    """Whether what was due at least `after` ago has not been done: the last good run began before it.

    `skew`: by how much a host's clock may be ahead, whose run then begins before the time.
    """
    return began is None or began < last_due(cron, now - after) - skew
