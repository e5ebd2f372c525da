"""Detectors of what a price did, in its own noise."""

from __future__ import annotations

import numpy as np

from core.detect.levels import shift_in_quarters
from core.detect.past import ROUNDING, Past
from core.detect.robust import Singles
from core.detect.scores import Null, score_of
from core.detect.signals import Sides, Signal

MIN_MOVE = 0.015
_NONE = np.float32(np.nan)

JUMP = Null(2.5, 3.2, 3.85, 4.45, 5.1)
HOURLY_JUMP = Null(2.4, 3.25, 4.1, 4.95, 6.1)
DRIFT = Null(1.9, 2.7, 3.4, 3.95, 4.5)
MOMENTUM = Null(1.9, 2.8, 3.5, 4.05, 4.65)
REVERSAL = Null(1.1, 1.75, 2.25, 2.7, 3.3)
CONVERGENCE = Null(1.4, 2.3, 3.0, 3.5, 4.05)


def price_jump(past: Past) -> Signal:
    """The largest shift of the last hour's quarters in the level behind the quotes, in log-odds, in its own noise.

    Own noise: the walk's and the bounce's, as up to a week of hours and quarters part them (core.detect.levels). A jump
    of size k is k times the noise of an *hour*, within a quarter of one. Without quarter-hours the last hour's move
    against the hourly noise (`Past.scale`). It must be 1.5 cents or more and beyond what a wider quote would make of
    the middle. Side: against it (overreaction: De Bondt and Thaler 1985); whether that pays is what base rates tell.

    Source: Lee and Mykland 2008, "Jumps in financial markets", with a level behind the noise (their 2012 paper's aim)
    that a filter tells and a winsorised variance for the bipower one.
    """
    size, cents = largest_quarter(past)
    score = score_of(size, JUMP)
    hourly, hour_cents = last_hour(past)
    coarse = np.isnan(size)
    score = np.where(coarse, score_of(hourly, HOURLY_JUMP), score)
    size, moved = np.where(coarse, hourly, size), np.where(coarse, hour_cents, cents)
    real = (np.abs(moved) >= 100 * MIN_MOVE - 1e-3) & ~(np.abs(moved) <= 50 * past.spread)
    score = np.where(real, score, 0)
    return Signal(
        "price_jump",
        score,
        sides(-moved, score),
        {"move_1h_cents": past.cents(1), "move_sigmas": size, "jump_cents": moved},
    )


def largest_quarter(past: Past) -> tuple[Singles, Singles]:
    """(own noises, cents) of the largest of the last hour's quarter-hour shifts; NaN where none is known.

    What was half taken back since, or itself takes back, is a quote that flickered and counts for nothing, as does the
    half of what the spread is wider by than usual, which moves the middle when one side of the book leaves.
    """
    price = past.quarter_prices
    size = np.abs(shift_in_quarters(past))
    largest = np.argmax(np.where(np.isfinite(size), size, np.float32(-1)), axis=1)[:, None]
    before, after = (np.take_along_axis(price, largest + end, axis=1)[:, 0] for end in (0, 1))
    size = np.take_along_axis(size, largest, axis=1)[:, 0]
    half = np.abs(after - before) / 2
    taken_back = (np.abs(price[:, -1] - before) < half) | (np.abs(after - price[:, 0]) < half)
    size = size * np.maximum(1 - past.widened / (2 * np.abs(after - before)), 0)
    return np.where(taken_back | (half == 0), 0, size), 100 * (after - before)


def last_hour(past: Past) -> tuple[Singles, Singles]:
    """(own hourly noises, cents) of the last hour's move; after a standstill as for a quarter's."""
    if past.hours < 3:
        return past.nothing(), past.nothing()
    before, after = past.price[:, -2], past.price[:, -1]
    floor = np.float32(ROUNDING) / np.sqrt(before * (1 - before) * after * (1 - after))
    scale = np.maximum(past.scale, past.usual * np.sqrt(1 + past.hours_still))
    return np.abs(past.moves[:, -1]) / np.maximum(scale, floor), past.cents(1)


def price_drift(past: Past) -> Signal:
    """The last day's move in log-odds that no single hour made, in the noise of a day.

    z = |sum of 24 hourly moves, each bounded by 2.5 hourly noises| / noise (`Past.noise_over`), of 3 cents or more. A
    drift of size k moves k half hourly noises an hour, all day. Side: on (underreaction: Jegadeesh and Titman 1993).
    """
    return _trend(past, "price_drift", 24, DRIFT, "move_24h_cents")


def momentum(past: Past) -> Signal:
    """Six hours that go one way: five of them at least, none for more than 2.5 hourly noises, together far beyond the
    noise of six hours. Size k: k hourly noises an hour over the six hours. Side: on (Moskowitz, Ooi and Pedersen 2012,
    time series momentum).
    """
    signal = _trend(past, "momentum", 6, MOMENTUM, "move_6h_cents")
    if past.hours < 8:
        return signal
    moves = past.filled[:, -6:]
    one_way = np.maximum((moves > 0).sum(axis=1), (moves < 0).sum(axis=1)) >= 5
    return Signal("momentum", np.where(one_way, signal.score, 0), signal.side, signal.numbers)


def _trend(past: Past, name: str, hours: int, null: Null, told: str) -> Signal:
    total = past.moved(hours, most=np.float32(2.5) * past.scale)
    size = np.abs(total) / past.noise_over(hours)
    cents = past.cents(hours)
    real = (np.abs(cents) >= 3) & (np.sign(cents) == np.sign(total))
    score = np.where(real, score_of(size, null), 0)
    return Signal(name, score, sides(cents, score), {told: cents, "move_sigmas": size})


def reversal(past: Past) -> Signal:
    """The last three hours took the price back the way it had come in the twelve before them.

    z = the smaller of the two moves, each in its own noise (`Past.noise_over`); both 2 cents or more, of opposite
    signs. Size k: k half hourly noises an hour one way, k an hour back. Side: on with the last three hours.
    """
    back, there = past.moved(3), past.moved(12, after=3)
    size = np.minimum(np.abs(back) / past.noise_over(3), np.abs(there) / past.noise_over(12, after=3))
    last = past.cents(3)
    before = past.cents(15) - last
    real = (back * there < 0) & (np.abs(last) >= 2) & (np.abs(before) >= 2) & (last * before < 0)
    score = np.where(real, score_of(size, REVERSAL), 0)
    return Signal(
        "reversal",
        score,
        sides(last, score),
        {"move_3h_cents": last, "move_12h_before_cents": before, "move_sigmas": size},
    )


def convergence(past: Past) -> Signal:
    """Less than two days before the close, a price beyond 70 cents (or under 30) that keeps moving to its end.

    z = the last twelve hours' bounded moves towards that end / noise (`Past.noise_over`), of 2 cents or more. A
    martingale's noise before the close is in it (`Past.rise`). Size k: k half hourly noises an hour over twelve hours.
    Side: on.
    """
    price = past.price[:, -1]
    towards = np.where(price >= 0.7, 1, np.where(price <= 0.3, -1, 0)).astype(np.float32)
    total = past.moved(12, most=np.float32(2.5) * past.scale) * towards
    size = total / past.noise_over(12)
    cents = past.cents(12)
    real = (past.hours_left <= 48) & (cents * towards >= 2)
    score = np.where(real, score_of(size, CONVERGENCE), 0)
    return Signal(
        "convergence",
        score,
        sides(towards, score),
        {"move_12h_cents": cents, "hours_left": past.hours_left, "move_sigmas": size},
    )


def sides(towards: Singles, score: np.ndarray) -> Sides:
    """The sign of `towards` where there is a score."""
    return np.where(score > 0, np.sign(np.nan_to_num(towards)), 0).astype(np.int8)
