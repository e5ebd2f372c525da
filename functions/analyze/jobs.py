"""The jobs that live here, by name."""

from collections.abc import Mapping

from analyze import base_rates, digest, grade, pipeline, requests
from core.runtime import Work
from core.settings import AnalyzeSettings

WORK: Mapping[str, Work[AnalyzeSettings]] = {
    "analyze": pipeline.run,
    "requests": requests.run,
    "digest": digest.run,
    "base-rates": base_rates.run,
    "grade": grade.run,
}
