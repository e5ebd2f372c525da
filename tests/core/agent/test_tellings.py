"""Numbers bound to their facts: whatever is changed in a true sentence, it is withheld."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.agent.evidence import Candidate, Evidence, Other, gather
from core.agent.labels import BUNDLE_LABELS, DAY_LABELS, LABELS
from core.agent.numbers import number_faults
from core.agent.tellings import TELLINGS
from core.agent.vocabulary import Vocabulary
from core.detect.rates import Rate
from tests.core.agent.making import NOW, make_candidate, make_pattern, make_rate


@dataclass(frozen=True)
class Told:
    """A true sentence; the number in braces is the fact's."""

    fact: str
    sentence: str


TOLD = [
    Told("price_cents", "The best estimate of the probability is {}¢."),
    Told("price_cents", "This market puts YES at {}¢."),
    Told("price_cents", "The market implies a probability of {}%."),
    Told("yes_ask_cents", "YES is offered at {}¢."),
    Told("yes_ask_cents", "Buy YES at {}¢ while it is there."),
    Told("yes_ask_cents", "A buyer of YES pays {}¢."),
    Told("no_ask_cents", "NO costs {}¢."),
    Told("no_ask_cents", "The price of NO is {}¢."),
    Told("spread_cents", "The spread is {}¢."),
    Told("spread_cents", "Leaving early means crossing a spread of {}¢."),
    Told("move_1h_cents", "The price {way} {}¢ in the last hour."),
    Told("move_24h_cents", "Over the last day the price {way} {}¢."),
    Told("move_sigmas", "That is {} times its usual move."),
    Told("volume_1h", "In the last hour {} contracts changed hands."),
    Told("volume_typical_1h", "A usual hour sees {} contracts."),
    Told("volume_ratio", "Trading runs at {} times the usual volume."),
    Told("volume_24h", "The volume of the last 24 hours is {} contracts."),
    Told("sum_bids_cents", "The bids of all outcomes add up to {}¢."),
    Told("outcomes", "There are bids for {} outcomes."),
    Told("fair_cents", "The other venue puts YES at {}¢."),
    Told("fair_cents", "On Polymarket the same bet stands at {}%."),
    Told("taker_fee_cents", "The taker fee is {}¢ a contract."),
    Told("net_edge_cents", "An edge of {}¢ remains after fees."),
    Told("net_edge_cents", "After the fee {}¢ is left."),
    Told("setups", "Of it {} earlier setups like this one were measured."),
    Told("setup_hit_pct", "The hit rate of those setups is {}%."),
    Told("setup_low_pct", "The interval starts at {}%."),
    Told("setup_high_pct", "The interval ends at {}%."),
    Told("matched_hit_pct", "The hit rate of matched moments is {}%."),
    Told("setup_net_cents", "After fees those setups leave {}¢ a contract."),
    Told("spread_typical_cents", "The usual spread is {}¢."),
    Told("move_3h_cents", "The price {way} {}¢ in the last three hours."),
    Told("move_6h_cents", "Over the last six hours the price {way} {}¢."),
    Told("move_12h_cents", "The price {way} {}¢ over the last 12 hours."),
    Told("move_12h_before_cents", "In the twelve hours before that the price {way} {}¢."),
    Told("jump_cents", "The price {way} {}¢ within a quarter of an hour."),
    Told("implied_move_cents", "The other markets of its event imply a move of {}¢."),
    Told("predicted_move_cents", "A move of {}¢ usually follows the event's other markets."),
    Told("volatility_ratio", "The price is {} times as noisy as usual."),
    Told("shared_variance_pct", "The event's other markets account for {}% of its moves."),
    Told("lag_t", "It follows the other markets with a t statistic of {}."),
    Told("volume_sigmas", "Volume is {} times its usual deviation."),
    Told("ladder_edge_cents", "YES is offered {}¢ below the bid for a bet that implies it."),
    Told("settled_rate_pct", "Of markets of this kind {}% settled YES."),
    Told("settled_events", "Of {} events of this kind it was measured how many settled YES."),
    Told("other_yes_ask_cents", "On the other venue YES is offered at {}¢."),
    Told("other_no_ask_cents", "On the other venue NO costs {}¢."),
    Told("fillable_contracts", "{} contracts can be filled at that edge."),
    Told("fillable_usd", "The fill is good to ${}."),
    Told("hours_to_close", "The market closes in {} hours."),
    Told("quote_age_minutes", "These prices are {} minutes old."),
]
SIDED = [told for told in TOLD if "YES" in told.sentence or "NO" in told.sentence]
TIMED = [
    told for told in TOLD if "{} hours" not in told.sentence and ("hour" in told.sentence or "day" in told.sentence)
]


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    low = draw(st.integers(5, 40)) / 100
    return make_rate(
        n=draw(st.integers(30, 5_000)),
        low=low,
        rate=low + 0.1,
        high=low + 0.2,
        matched_rate=low + 0.3,
        shrunk_net=draw(st.integers(1, 90)) / 1_000,
        verdict="edge",
    )


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    """No two moves or volumes are so near each other that one could be a rounding of the other."""
    yes = draw(st.integers(5, 80))
    moves = draw(st.lists(st.integers(2, 40), min_size=8, max_size=8, unique=True))
    return make_candidate(
        pattern=make_pattern(
            numbers={
                "move_1h_cents": float(moves.pop() * draw(st.sampled_from((-1, 1)))),
                "move_24h_cents": float(draw(st.integers(41, 70)) * draw(st.sampled_from((-1, 1)))),
                "move_sigmas": draw(st.integers(30, 200)) / 10,
                "volume_1h": float(draw(st.integers(201, 9_000))),
                "volume_typical_1h": float(draw(st.integers(1, 150))),
                "volume_ratio": draw(st.integers(20, 400)) / 10,
                "move_3h_cents": float(moves.pop() * draw(st.sampled_from((-1, 1)))),
                "move_6h_cents": float(moves.pop() * draw(st.sampled_from((-1, 1)))),
                "move_12h_cents": float(moves.pop() * draw(st.sampled_from((-1, 1)))),
                "move_12h_before_cents": float(moves.pop() * draw(st.sampled_from((-1, 1)))),
                "jump_cents": float(moves.pop() * draw(st.sampled_from((-1, 1)))),
                "implied_move_cents": float(moves.pop() * draw(st.sampled_from((-1, 1)))),
                "predicted_move_cents": float(moves.pop() * draw(st.sampled_from((-1, 1)))),
                "spread_typical_cents": float(draw(st.integers(1, 9))),
                "volatility_ratio": draw(st.integers(20, 90)) / 10,
                "shared_variance": draw(st.integers(25, 99)) / 100,
                "lag_t": draw(st.integers(30, 200)) / 10,
                "volume_sigmas": draw(st.integers(30, 200)) / 10,
                "ladder_edge_cents": float(draw(st.integers(1, 20))),
                "settled_rate_cents": float(draw(st.integers(1, 99))),
                "settled_events": float(draw(st.integers(30, 4_000))),
                "sum_bids_cents": float(draw(st.integers(102, 160))),
                "outcomes": float(draw(st.integers(3, 40))),
            }
        ),
        price=Decimal(yes - 1) / 100,
        yes_price=Decimal(yes) / 100,
        no_price=Decimal(100 - yes + draw(st.integers(1, 8))) / 100,
        volume_24h=Decimal(draw(st.integers(20_000, 10**7))),
        fair=Decimal(min(yes + draw(st.integers(5, 15)), 99)) / 100,
        close_time=NOW + timedelta(hours=draw(st.integers(2, 2_000))),
        rates=(draw(rates()),),
        others=(
            Other(
                "polymarket",
                "0xabc",
                "The same",
                "identity",
                "SAFE",
                Decimal(draw(st.integers(5, 95))) / 100,
                Decimal(draw(st.integers(5, 95))) / 100,
            ),
        ),
        quoted_at=NOW - timedelta(minutes=draw(st.integers(0, 90))),
    )


def fact_of(evidence: Evidence, told: Told) -> Decimal:
    return next(fact.number for fact in evidence.facts if fact.name == told.fact)


def say(told: Told, value: Decimal, number: Decimal) -> str:
    return told.sentence.replace("{way}", "rose" if value > 0 else "fell").replace("{}", f"{abs(number)}")


def judge(candidate: Candidate, evidence: Evidence, sentence: str) -> list[str]:
    return number_faults(sentence, evidence.facts, evidence.edge_side, Vocabulary(candidate.subject))


def test_there_is_a_telling_for_every_fact() -> None:
    numbers = {name for name, (_, unit) in LABELS.items() if unit != "UTC"}
    assert numbers == {told.fact for told in TOLD}
    others = {name for name, (_, unit) in (BUNDLE_LABELS | DAY_LABELS).items() if unit != "UTC"}
    assert TELLINGS.keys() == numbers | others


@given(candidates(), st.sampled_from(TOLD))
def test_a_fact_told_as_what_it_is_passes(candidate: Candidate, told: Told) -> None:
    evidence = gather(candidate, NOW)
    value = fact_of(evidence, told)
    assert judge(candidate, evidence, say(told, value, value)) == []


@given(candidates(), st.sampled_from(TOLD), st.data())
def test_any_other_number_is_withheld_also_when_another_fact_has_it(
    candidate: Candidate, told: Told, data: st.DataObject
) -> None:
    evidence = gather(candidate, NOW)
    value = fact_of(evidence, told)
    others = [abs(fact.number) for fact in evidence.facts if fact.unit != "UTC"]
    number = data.draw(st.sampled_from(others) | st.integers(0, 10**6).map(Decimal))
    assume(abs(number - abs(value)) > abs(value) / 10)  # nearer, it may be a rounding
    assert judge(candidate, evidence, say(told, value, number)) != []


@given(candidates(), st.sampled_from(SIDED))
def test_the_other_side_is_withheld(candidate: Candidate, told: Told) -> None:
    assume(candidate.no_price not in (candidate.yes_price, candidate.price, candidate.fair))
    evidence = gather(candidate, NOW)
    value = fact_of(evidence, told)
    swapped = re.sub(r"\b(?:YES|NO)\b", lambda m: "NO" if m[0] == "YES" else "YES", say(told, value, value))
    assert judge(candidate, evidence, swapped) != []


@given(candidates(), st.sampled_from(TIMED))
def test_another_period_is_withheld(candidate: Candidate, told: Told) -> None:
    evidence = gather(candidate, NOW)
    value = fact_of(evidence, told)
    sentence = say(told, value, value)
    other = {
        "three hours": "six hours",
        "six hours": "12 hours",
        "12 hours": "3 hours",
        "twelve hours before that": "last day",
        "quarter of an hour": "day",
        "last hour": "last day",
        "usual hour": "last hour",
        "last day": "last hour",
        "last 24 hours": "last hour",
    }
    for period, instead in other.items():
        if period in sentence:
            assert judge(candidate, evidence, sentence.replace(period, instead)) != []
            assert judge(candidate, evidence, sentence.replace(period, "last week")) != []
            assert judge(candidate, evidence, sentence.replace(period, "next hour")) != []
            return
    raise AssertionError(sentence)


@given(candidates(), st.sampled_from([told for told in TOLD if "{way}" in told.sentence]))
def test_the_other_way_is_withheld(candidate: Candidate, told: Told) -> None:
    evidence = gather(candidate, NOW)
    value = fact_of(evidence, told)
    assert judge(candidate, evidence, say(told, -value, value)) != []


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told.sentence)
def test_a_fact_that_is_not_cited_may_not_be_told(told: Told) -> None:
    candidate = make_candidate(pattern=make_pattern(numbers={"outcomes": 7.0, "sum_bids_cents": 111.0}))
    evidence = gather(candidate, NOW)
    cited = [fact for fact in evidence.facts if fact.name != told.fact]
    sentence = say(told, Decimal(1), Decimal("7.7"))
    assert number_faults(sentence, cited, evidence.edge_side, Vocabulary(candidate.subject)) != []
