"""A model's number moves the price only as far as its own outcomes have proved, whatever kind of model it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent.calibration import Calibration, brier, calibrate, pooled
from core.detect.history import Floats

PROBABILITY = st.floats(0.001, 0.999)
SURE = st.floats(0.011, 0.989)  # no model is believed beyond
WEIGHT = st.floats(0, 1)


def proved(weight: float) -> Calibration:
    return Calibration(500, 400, weight, max(0, weight - 0.1), min(1, weight + 0.1), 9.0, proved=True)


def fitted(baseline: Floats, said: Floats, paid: Floats, event: Floats) -> Calibration:
    return calibrate(baseline, said, paid, event, least_events=30, least_evidence=20.0)


@given(PROBABILITY, st.floats(0, 1))
def test_without_outcomes_the_number_is_exactly_the_price(price: float, said: float) -> None:
    none = np.zeros(0)
    made = fitted(none, none, none, none)
    assert (made.events, made.insights, made.proved) == (0, 0, False)
    assert made.log_evidence == pytest.approx(0, abs=1e-9)
    assert made.probability(price, said) == (price, price, price)


@given(PROBABILITY, st.floats(0, 1), WEIGHT)
def test_a_pooled_number_is_a_probability_inside_its_interval(price: float, said: float, weight: float) -> None:
    one, low, high = proved(weight).probability(price, said)
    assert 0 < low <= one <= high < 1


@given(PROBABILITY, SURE, WEIGHT)
def test_it_lies_between_the_price_and_what_the_model_said(price: float, said: float, weight: float) -> None:
    one = proved(weight).probability(price, said)[0]
    assert min(price, said) - 1e-9 <= one <= max(price, said) + 1e-9


@given(PROBABILITY, SURE, SURE, WEIGHT)
def test_it_rises_with_what_the_model_said(price: float, less: float, more: float, weight: float) -> None:
    less, more = sorted((less, more))
    assert proved(weight).probability(price, less)[0] <= proved(weight).probability(price, more)[0] + 1e-12


@given(PROBABILITY, PROBABILITY, SURE, WEIGHT)
def test_it_rises_with_the_price(less: float, more: float, said: float, weight: float) -> None:
    less, more = sorted((less, more))
    assert proved(weight).probability(less, said)[0] <= proved(weight).probability(more, said)[0] + 1e-12


@given(PROBABILITY, PROBABILITY, WEIGHT)
def test_no_is_judged_as_yes_is(price: float, said: float, weight: float) -> None:
    yes = proved(weight).probability(price, said)
    no = proved(weight).probability(1 - price, 1 - said)
    assert np.allclose(no, (1 - yes[0], 1 - yes[2], 1 - yes[1]), atol=1e-9)


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_outcomes_told_of_the_other_side_teach_the_same(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    price, said, paid = rng.uniform(0.05, 0.95, count), rng.uniform(size=count), rng.uniform(size=count).round()
    event = rng.integers(0, count, count).astype(float)
    one, other = fitted(price, said, paid, event), fitted(1 - price, 1 - said, 1 - paid, event)
    assert one.weight == pytest.approx(other.weight, abs=1e-9)
    assert one.log_evidence == pytest.approx(other.log_evidence, abs=1e-9)


@given(st.integers(2, 40), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_saying_the_same_of_an_event_again_is_no_more_evidence(count: int, times: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    price, said, paid = rng.uniform(0.05, 0.95, count), rng.uniform(size=count), rng.uniform(size=count).round()
    event = np.arange(count, dtype=float)
    once = fitted(price, said, paid, event)
    again = fitted(*(np.repeat(part, times) for part in (price, said, paid, event)))
    assert (again.events, again.insights) == (count, times * count)
    assert again.weight == pytest.approx(once.weight, abs=1e-9)
    assert again.log_evidence == pytest.approx(once.log_evidence, abs=1e-9)


@given(st.lists(PROBABILITY, min_size=1, max_size=50), st.integers(0, 2**32 - 1))
def test_who_repeats_the_price_proves_nothing(prices: list[float], seed: int) -> None:
    price = np.clip(np.array(prices), 0.02, 0.98)
    paid = np.random.default_rng(seed).uniform(size=len(price)).round()
    made = fitted(price, price, paid, np.arange(len(price), dtype=float))
    assert made.log_evidence == pytest.approx(0, abs=1e-9)
    assert not made.proved


def test_fewer_events_than_asked_for_prove_nothing_however_good() -> None:
    price, paid = np.full(29, 0.5), np.ones(29)
    few = fitted(price, np.full(29, 0.98), paid, np.arange(29.0))
    assert few.log_evidence > np.log(20)
    assert not few.proved
    assert fitted(np.full(30, 0.5), np.full(30, 0.98), np.ones(30), np.arange(30.0)).proved


def test_a_brier_score_weighs_events_alike() -> None:
    assert brier(np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0]), np.array([1.0, 2.0, 2.0])) == 0.5
    assert brier(np.zeros(0), np.zeros(0), np.zeros(0)) is None


@dataclass(frozen=True)
class World:
    """Markets whose price knows something and a model that says its number; `truth` is the probability of YES."""

    price: Floats
    said: Floats
    truth: Floats
    paid: Floats
    event: Floats


Says = Callable[[np.random.Generator, Floats, Floats], Floats]


def overconfident(rng: np.random.Generator, odds: Floats, truth: Floats) -> Floats:
    return odds + 3 * (truth - odds)


def biased(rng: np.random.Generator, odds: Floats, truth: Floats) -> Floats:
    return truth + 0.6


def parroting(rng: np.random.Generator, odds: Floats, truth: Floats) -> Floats:
    return odds + rng.normal(0, 0.02, len(odds))


def informed(rng: np.random.Generator, odds: Floats, truth: Floats) -> Floats:
    return truth + rng.normal(0, 0.4, len(odds))


def noise(rng: np.random.Generator, odds: Floats, truth: Floats) -> Floats:
    return odds + rng.normal(0, 0.8, len(odds))


def contrary(rng: np.random.Generator, odds: Floats, truth: Floats) -> Floats:
    return odds - (truth - odds)


def world(events: int, seed: int, says: Says, of_an_event: int = 2) -> World:
    """What the price misses of an event is the same in all its insights, and so is what happens."""
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(events, dtype=float), of_an_event)
    odds = np.repeat(rng.normal(0, 1.2, events), of_an_event)
    truth = odds + np.repeat(rng.normal(0, 0.5, events), of_an_event)
    paid = np.repeat(rng.uniform(size=events), of_an_event) < expit(truth)
    return World(expit(odds), expit(says(rng, odds, truth)), expit(truth), paid.astype(float), event)


def expit(odds: Floats) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-odds))
    return chance


def learn(of: World) -> Calibration:
    return fitted(of.price, of.said, of.paid, of.event)


def served(by: Calibration, of: World) -> Floats:
    return pooled(of.price, of.said, by.weight) if by.proved else of.price


def losses(probability: Floats, of: World) -> tuple[float, float]:
    """(Brier, log loss) that are expected of it: of the truth, not of one draw."""
    p, q = np.clip(probability, 1e-6, 1 - 1e-6), of.truth
    brier = float(np.mean(q * (1 - p) ** 2 + (1 - q) * p**2))
    return brier, float(-np.mean(q * np.log(p) + (1 - q) * np.log(1 - p)))


@pytest.mark.parametrize("says", [overconfident, biased, informed])
def test_who_knows_something_beats_the_price_out_of_sample_when_n_is_large(says: Says) -> None:
    later = world(4_000, 9, says)
    for seed in range(20):
        made = learn(world(2_000, 100 + seed, says))
        assert made.proved
        better, price = losses(served(made, later), later), losses(later.price, later)
        assert better[0] < price[0]
        assert better[1] < price[1]


def test_an_overconfident_model_is_drawn_in_to_what_it_knows() -> None:
    assert [learn(world(3_000, seed, overconfident)).weight for seed in range(20)] == pytest.approx(
        [1 / 3] * 20, abs=0.09
    )


@pytest.mark.parametrize("says", [overconfident, biased, parroting, informed, noise, contrary])
@pytest.mark.parametrize("events", [0, 10, 30, 100, 400])
def test_no_kind_of_model_does_worse_than_the_price_on_average(says: Says, events: int) -> None:
    """Expected loss of what is served, over many histories of this length."""
    later = world(1_000, 9, says)
    price = np.array(losses(later.price, later))
    found = np.array([losses(served(learn(world(events, seed, says)), later), later) for seed in range(60)])
    assert (found.mean(axis=0) <= price + 1e-4).all()


@pytest.mark.parametrize("says", [noise, parroting, contrary])
def test_who_knows_nothing_is_served_as_the_price_alone(says: Says) -> None:
    """One in twenty may ever be believed; of these models far fewer are."""
    made = [learn(world(events, seed, says)) for seed in range(100) for events in (50, 500)]
    assert sum(one.proved for one in made) <= 200 * 0.05


@pytest.mark.parametrize("says", [noise, contrary])
def test_who_knows_nothing_gets_hardly_any_weight(says: Says) -> None:
    assert np.median([learn(world(3_000, seed, says)).weight for seed in range(20)]) < 0.1


def test_where_the_price_is_the_truth_looking_every_day_proves_a_lie_once_in_twenty_at_most() -> None:
    """Ville's bound holds for the best moment of all, so for each of them too."""
    rng = np.random.default_rng(5)
    ever = 0
    for _ in range(150):
        price = rng.uniform(0.05, 0.95, 300)
        said = expit(np.log(price / (1 - price)) + rng.normal(0, 1, 300))
        paid = (rng.uniform(size=300) < price).astype(float)
        event = np.arange(300.0)
        ever += any(fitted(price[:n], said[:n], paid[:n], event[:n]).proved for n in range(30, 301, 10))
    assert ever <= 150 * 0.05


@pytest.mark.parametrize("weight", [0.15, 0.35, 0.6])
def test_intervals_hold_the_truth_as_often_as_they_say(weight: float) -> None:
    """Of worlds whose truth is a pool of price and model. Two insights of an event count as one."""
    rng = np.random.default_rng(round(100 * weight))
    held = total = 0
    for _ in range(300):
        price = np.repeat(expit(rng.normal(0, 1.2, 600)), 2)
        said = expit(np.log(price / (1 - price)) + np.repeat(rng.normal(0, 1.0, 600), 2))
        truth = pooled(price, said, weight)
        paid = (np.repeat(rng.uniform(size=600), 2) < truth).astype(float)
        made = fitted(price, said, paid, np.repeat(np.arange(600.0), 2))
        total += 1
        held += made.low <= weight <= made.high
        if made.proved:
            _, low, high = made.probability(float(price[0]), float(said[0]))
            assert (low <= truth[0] <= high) == (made.low <= weight <= made.high)
    assert held / total >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / total)
