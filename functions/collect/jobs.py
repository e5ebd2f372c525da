"""The jobs that live here, by name."""

from collections.abc import Mapping

from collect import backfill, settle, sweep, upkeep
from core.runtime import Work
from core.settings import CollectSettings

WORK: Mapping[str, Work[CollectSettings]] = {
    "collect": sweep.run,
    "settle": settle.run,
    "upkeep": upkeep.run,
    "backfill": backfill.run,
}
