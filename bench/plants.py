"""What is planted in clean martingales, and how much of it there is room for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bench.martingales import HOURS, LEVEL_NOISE, QUARTERS, SPREAD_NOISE, Floats, Latent

NOW = QUARTERS * (HOURS + 1) - 1  # the quarter-hour at which what was planted is complete

# What is planted, of sizes (N,) with signs (N,)

Plant = Callable[[np.random.Generator, Latent, Floats, Floats], Latent]


def jump(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """In one quarter of the last hour, `size` hourly noises."""
    at = NOW - rng.integers(0, QUARTERS, len(latent))
    later = np.arange(latent.odds.shape[1]) >= at[:, None]
    return replace(latent, odds=latent.odds + later * (size * sign * latent.noise)[:, None])


def ramp(hours: int, share: float, before: int = 0) -> Plant:
    """`size * share` hourly noises an hour for `hours`, up to `before` hours ago."""

    def plant(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
        since = np.arange(latent.odds.shape[1]) - (NOW - QUARTERS * (hours + before))
        way = np.clip(since / QUARTERS, 0, hours).astype(np.float32)
        return replace(latent, odds=latent.odds + way * (share * size * sign * latent.noise)[:, None])

    return plant


def there_and_back(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    latent = ramp(12, 0.5, before=3)(rng, latent, size, sign)
    return ramp(3, 1.0)(rng, latent, size, -sign)


def to_its_end(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """From 50 to 70 cents (or 30 to 50), a day before the close."""
    start = rng.uniform(0.0, 0.85, len(latent)).astype(np.float32) * sign
    moved = latent.odds - latent.odds[:, [NOW - 48]] + start[:, None]
    late = replace(latent, odds=moved, hours_left=np.full(len(latent), 24, dtype=np.float32))
    return ramp(12, 0.5)(rng, late, size, sign)


def spike(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The last hour's volume times exp(size * a quarter-hour's noise of log volume about its daily shape)."""
    return _busier(latent, size * np.sqrt(np.square(latent.flow) + LEVEL_NOISE**2))


def jump_on_nothing(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """A jump in an hour that trades half of what it would have."""
    return _busier(jump(rng, latent, size, sign), np.full(len(latent), np.log(0.5), dtype=np.float32))


def _busier(latent: Latent, off: Floats) -> Latent:
    volume = latent.volume.copy()
    volume[:, NOW - QUARTERS + 1 : NOW + 1] *= np.exp(off)[:, None]
    return replace(latent, volume=volume)


def wilder(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The last six hours' moves `size` times as large as a market shows: steps added that make up the variance."""
    more = np.sqrt(np.maximum(np.square(size) - 1, 0) / QUARTERS) * latent.noise
    steps = rng.standard_normal(latent.odds.shape, dtype=np.float32) * more[:, None]
    steps[:, : NOW + 1 - 6 * QUARTERS] = 0
    return replace(latent, odds=latent.odds + np.cumsum(steps, axis=1))


def wider(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The last hour's spreads times exp(size * their noise)."""
    half = latent.half.copy()
    half[:, NOW - QUARTERS + 1 : NOW + 1] *= np.exp(size * SPREAD_NOISE)[:, None]
    return replace(latent, half=half)


def left_behind(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The first of each ladder stands still for three hours and more, while its driver moves in the last of them."""
    first = first_of_ladders(latent)
    event = latent.event
    later = np.arange(latent.odds.shape[1]) > NOW - QUARTERS
    shift = np.zeros(len(latent), dtype=np.float32)
    ladder = np.isin(event, event[first])
    leader = np.searchsorted(event[first], event[ladder])
    shift[ladder] = (size * sign * latent.noise)[first][leader]
    frozen = latent.frozen.copy()
    frozen[first, NOW + 1 - 3 * QUARTERS - 1 :] = True
    return replace(latent, odds=latent.odds + later * shift[:, None], frozen=frozen)


def follower(rng: np.random.Generator, latent: Latent, size: Floats, sign: Floats) -> Latent:
    """The first of each ladder goes where the others went an hour before; these move in the last hour."""
    first = first_of_ladders(latent)
    odds = latent.odds.copy()
    own = odds[first]
    odds[first, QUARTERS:] = own[:, :-QUARTERS]
    ladder = np.isin(latent.event, latent.event[first])
    ladder[first] = False
    shift = np.zeros(len(latent), dtype=np.float32)
    leader = np.searchsorted(latent.event[first], latent.event[ladder])
    shift[ladder] = (size * sign * latent.noise)[first][leader]
    later = np.arange(odds.shape[1]) > NOW - QUARTERS
    return replace(latent, odds=odds + later * shift[:, None])


def first_of_ladders(latent: Latent) -> npt.NDArray[np.intp]:
    return np.arange(0, len(latent) // 4, 4)


PLANTS: dict[str, Plant] = {
    "price_jump": jump,
    "price_drift": ramp(24, 0.5),
    "momentum": ramp(6, 1.0),
    "reversal": there_and_back,
    "convergence": to_its_end,
    "volume_spike": spike,
    "volume_without_price": spike,
    "price_without_volume": jump_on_nothing,
    "volatility_regime": wilder,
    "spread_collapse": wider,
    "stale_quote": left_behind,
    "lead_lag": follower,
}
OF_RELATED = frozenset(("stale_quote", "lead_lag"))
OF_VOLUME = frozenset(("volume_spike", "volume_without_price"))

# What of it there is room for

_MIDDLE = 2.94  # log-odds of 95 cents
_LEAST_STEP = 1e-4  # of log-odds: below it the arithmetic of float32


@dataclass(frozen=True, slots=True)
class Planted:
    """N clean markets and the same with something planted. `rows` are those that there was room in; `onset` is the
    quarter-hour before the first that differs."""

    clean: Latent
    latent: Latent
    rows: npt.NDArray[np.intp]
    onset: int


def plant(name: str, rng: np.random.Generator, latent: Latent, noise: Floats, size: float) -> Planted:
    """`noise` is what one size is measured in. Moves go away from the nearer end; where one would lead beyond 5 to 95
    cents, or starts outside, it was not planted, nor was a volume multiplied where nothing was traded."""
    sign = np.where(latent.odds[:, NOW - QUARTERS * 24] > 0, -1, 1).astype(np.float32)
    sized = replace(latent, noise=noise)
    planted = PLANTS[name](rng, sized, np.full(len(latent), size, dtype=np.float32), sign)
    off = planted.odds - latent.odds
    begun = np.flatnonzero((np.abs(np.diff(off, axis=1)) > _LEAST_STEP).any(axis=0))
    onset = int(begun[0]) if len(begun) else NOW - QUARTERS
    path = planted.odds[:, [onset]] + off[:, onset : NOW + 1] - off[:, [onset]]
    fits = np.abs(path).max(axis=1) < _MIDDLE
    if name in OF_VOLUME:
        fits &= latent.volume[:, NOW - QUARTERS + 1 : NOW + 1].any(axis=1)
    rows = first_of_ladders(latent) if name in OF_RELATED else np.arange(len(latent) // 2, len(latent))
    return Planted(latent, planted, rows[fits[rows]], onset)
