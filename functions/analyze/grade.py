"""The grade job: what insights came to, then what each model's numbers are worth by what is known now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np

from core.agent.calibration import Calibration, brier, calibrate
from core.agent.grading import Entry, held_cents, sold_cents
from core.queries import grading
from core.queries.grading import Expired, Grade, Graded, Settled
from core.runtime import Run
from core.settings import AnalyzeSettings

_NOTHING = Graded(*(np.zeros(0) for _ in range(6)))


async def run(run: Run[AnalyzeSettings]) -> dict[str, Any]:
    graded = await grade_all(run)
    return {"graded": graded, "models": await _calibrate(run)}


async def grade_all(run: Run[AnalyzeSettings]) -> dict[str, int]:
    """How many outcomes and sales were graded. Each batch is a transaction: a run that is killed leaves the rest to the
    next one."""
    settings, done = run.settings, Counter[str]()
    while True:
        async with run.transaction() as connection:
            settled = await grading.settled_insights(connection, settings.grade_batch)
            await grading.insert_grades(connection, [_of_outcome(one) for one in settled], run.now)
        done["outcomes"] += len(settled)
        if len(settled) < settings.grade_batch:
            break
    oldest_s = settings.snapshot_every_s + settings.max_quote_age_s
    while True:
        async with run.transaction() as connection:
            expired = await grading.expired_insights(connection, run.now, oldest_s, settings.grade_batch)
            await grading.insert_grades(connection, [_of_sale(one) for one in expired], run.now)
        done["sales"] += len(expired)
        if len(expired) < settings.grade_batch:
            break
    return dict(done)


async def _calibrate(run: Run[AnalyzeSettings]) -> Mapping[str, Any]:
    settings = run.settings
    since = run.now - timedelta(days=settings.calibration_days)
    async with run.transaction() as connection:
        graded = await grading.graded_by(connection, run.now, since)
        voices = await grading.voices(connection, run.now, since, settings.parrot_cents)
    made = {model: calibration_of(graded.get(model, _NOTHING), settings) for model in voices}
    async with run.transaction() as connection:
        for model, calibration in made.items():
            briers = briers_of(graded.get(model, _NOTHING))
            await grading.insert_calibration(connection, run.now, model, calibration, briers, voices[model])
        await grading.delete_calibrations(connection, since)
    return {
        model: {
            "events": one.events,
            "proved": one.proved,
            "weight": round(one.weight, 3),
            "parroted": voices[model].parroted,
            "published": voices[model].published,
        }
        for model, one in made.items()
    }


def calibration_of(graded: Graded, settings: AnalyzeSettings) -> Calibration:
    """From those on which the model said a number."""
    spoke = np.isfinite(graded.said)
    return calibrate(
        graded.baseline[spoke],
        graded.said[spoke],
        graded.payout[spoke],
        graded.event[spoke],
        least_events=settings.calibration_min_events,
        least_evidence=settings.calibration_min_evidence,
    )


def briers_of(graded: Graded) -> tuple[float | None, ...]:
    """Of the price, the model's own number and what was served, over the insights that have all three."""
    whole = np.isfinite(graded.said) & np.isfinite(graded.served)
    payout, event = graded.payout[whole], graded.event[whole]
    return tuple(brier(numbers[whole], payout, event) for numbers in (graded.price, graded.said, graded.served))


def _of_outcome(one: Settled) -> Grade:
    if one.payout is None:
        return Grade(one.insight_id, "outcome", None, None, "the venue took its outcome back")
    net = held_cents(one.entry, one.payout)
    return Grade(one.insight_id, "outcome", one.payout, net, "" if net is not None else _lacking(one.entry))


def _of_sale(one: Expired) -> Grade:
    net = sold_cents(one.entry, one.yes_ask, one.no_ask)
    if net is not None:
        return Grade(one.insight_id, "sale", None, net, "")
    lacks_entry = one.entry.cost_usd() is None
    return Grade(
        one.insight_id, "sale", None, None, _lacking(one.entry) if lacks_entry else "no price when its time was up"
    )


def _lacking(entry: Entry) -> str:
    return "no position" if entry.position == "WAIT" else "its price or fee was not known"
