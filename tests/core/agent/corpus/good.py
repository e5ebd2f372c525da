"""True answers about a scene, in varied English: paraphrases, roundings, units. Written from the facts alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from tests.core.agent.corpus.scenes import Scene

Claim = dict[str, Any]
ONES = "zero one two three four five six seven eight nine ten eleven twelve".split()

# {n}: the number; {way}: rose or fell; {noun}: rise or fall; {other}, {venue}: the venues' names.
SAID: dict[str, tuple[str, ...]] = {
    "price_cents": (
        "The market's best estimate is {n}.",
        "The market currently prices YES at {n}.",
        "The implied probability stands at {p}.",
        "{venue} puts the chance at {p}.",
        "The current price is {n}.",
        "Right here the market implies roughly a {p} chance.",
        "The best estimate of the probability is {p}.",
    ),
    "yes_ask_cents": (
        "YES is offered at {n}.",
        "The YES ask is {n}.",
        "YES can be bought for {n}.",
        "A buyer pays {n} for YES.",
        "YES currently costs {n}.",
        "The ask for YES sits at {n}.",
    ),
    "no_ask_cents": (
        "NO is offered at {n}.",
        "The NO ask is {n}.",
        "NO costs {n}.",
        "NO can be had for {n}.",
        "A buyer of NO pays {n}.",
    ),
    "spread_cents": (
        "The spread is {n}.",
        "The bid-ask spread stands at {n}.",
        "With a spread of {n}, getting out early has a cost.",
        "The quotes are {n} apart.",
        "Crossing the spread costs {n}.",
    ),
    "spread_typical_cents": (
        "The usual spread is {n}.",
        "Its typical spread is {n}.",
        "Normally the spread is {n}.",
    ),
    "move_1h_cents": (
        "The price {way} {n} in the last hour.",
        "Over the past hour the price {way} by {n}.",
        "A {noun} of {n} within the hour is what the detector saw.",
        "In the last hour it {way} {n}.",
        "The last hour brought a {noun} of {n}.",
    ),
    "move_3h_cents": (
        "The price {way} {n} over the last three hours.",
        "In the past 3 hours the price {way} by {n}.",
        "A {noun} of {n} came in the last three hours.",
    ),
    "move_6h_cents": (
        "Over the last six hours the price {way} {n}.",
        "The price {way} {n} in the past 6 hours.",
        "A steady {noun} of {n} over the last six hours.",
    ),
    "move_12h_cents": (
        "The price {way} {n} over the last twelve hours.",
        "In the last 12 hours the price {way} by {n}.",
    ),
    "move_12h_before_cents": (
        "In the twelve hours before that, the price {way} {n}.",
        "The price {way} {n} in the 12 hours before that.",
    ),
    "move_24h_cents": (
        "Over the last day the price {way} {n}.",
        "The price {way} {n} in the past 24 hours.",
        "It {way} by {n} over the last 24 hours.",
        "The one-day move is a {noun} of {n}.",
    ),
    "jump_cents": (
        "The price {way} {n} within a quarter of an hour.",
        "Most striking is a {noun} of {n} within fifteen minutes.",
        "In a single quarter-hour the price {way} {n}.",
    ),
    "implied_move_cents": (
        "The other markets of its event imply a move of {n}.",
        "A {noun} of {n} is implied by the event's other markets.",
    ),
    "predicted_move_cents": (
        "A {noun} of {n} usually follows such moves of the event's other markets.",
        "The event's other markets usually lead it by a move of {n}.",
    ),
    "move_sigmas": (
        "That is {n} its usual move.",
        "The move is {n} the usual size.",
        "At {n} its normal move, this is an outlier.",
    ),
    "volatility_ratio": (
        "The price is {n} as volatile as usual.",
        "Its noise is {n} the usual level.",
        "Volatility runs at {n} its normal level.",
    ),
    "shared_variance_pct": (
        "The event's other markets account for {n} of its moves.",
        "Its siblings account for {n} of how it moves.",
    ),
    "lag_t": (
        "It follows the other markets of its event with a t statistic of {n}.",
        "The lag has a t-statistic of {n}.",
    ),
    "volume_1h": (
        "In the last hour {n} changed hands.",
        "Volume in the last hour was {n}.",
        "The past hour saw {n} traded.",
        "{n} traded in the last hour.",
    ),
    "volume_typical_1h": (
        "A usual hour sees {n}.",
        "A typical hour has a volume of {n}.",
        "Normal volume is {n} an hour.",
        "In a usual hour {n} are traded.",
    ),
    "volume_ratio": (
        "Volume is {n} the usual level.",
        "Trading ran at {n} the usual hourly volume.",
        "Activity is {n} its normal pace.",
        "That is {n} the typical volume.",
        "Turnover is {n} what is usual.",
    ),
    "volume_sigmas": (
        "Volume stands {n} its usual deviation above normal.",
        "The volume is {n} its usual deviation.",
    ),
    "volume_24h": (
        "Volume over the last day was {n}.",
        "In the last 24 hours {n} changed hands.",
        "The 24-hour volume is {n}.",
        "{n} were traded over the last day.",
        "Daily volume comes to {n}.",
    ),
    "sum_bids_cents": (
        "The YES bids of all outcomes add up to {n}.",
        "Together the bids come to {n}.",
        "Bids across all outcomes sum to {n}.",
        "The combined YES bids total {n}.",
    ),
    "outcomes": (
        "There are bids on {n} outcomes.",
        "{n} outcomes have a bid.",
    ),
    "ladder_edge_cents": (
        "YES is offered {n} below the bid for a bet that implies it.",
        "A bet that implies it is bid {n} above the YES ask here.",
    ),
    "settled_rate_pct": (
        "Of markets of this kind and price, {n} settled YES.",
        "{n} of markets like this one settled YES.",
    ),
    "fair_cents": (
        "The other venue puts YES at {n}.",
        "On {other} the same bet trades at {n}.",
        "{other} prices the same contract at {n}.",
        "{other} implies a {p} chance.",
        "The other venue says {n}.",
        "The same bet is priced at {n} on {other}.",
        "Fair value by the other venue is {n}.",
    ),
    "other_yes_ask_cents": (
        "On {other} YES is offered at {n}.",
        "{other} asks {n} for YES.",
    ),
    "other_no_ask_cents": (
        "On {other} NO is offered at {n}.",
        "NO costs {n} on the other venue.",
    ),
    "taker_fee_cents": (
        "The taker fee is {n} a contract.",
        "A taker pays a fee of {n} per contract.",
        "Fees take {n} a contract.",
    ),
    "net_edge_cents": (
        "An edge of {n} a contract remains after fees.",
        "After fees, {n} per contract is left.",
        "The net edge is {n}.",
        "Net of fees that leaves {n} a contract.",
        "The edge after costs is {n} per contract.",
        "That is worth {n} a contract after the fee.",
    ),
    "fillable_contracts": (
        "{n} can be filled at prices that keep the edge.",
        "The book holds {n} at prices that keep the edge.",
        "Depth at that edge is {n}.",
    ),
    "fillable_usd": (
        "The fill is good to {n}.",
        "Up to {n} can be filled at that edge.",
        "The book is good for {n}.",
        "Depth is good for {n}.",
    ),
    "hours_to_close": (
        "The market closes in {n}.",
        "There are {n} left until the close.",
        "With {n} to go, there is time for the gap to close.",
        "It closes in {n}.",
        "Only {n} remain before the market closes.",
    ),
    "quote_age_minutes": (
        "These prices are {n} old.",
        "The quote is {n} old.",
    ),
}  # fmt: skip
CLOSES = (
    "The market closes on {day}.",
    "Trading closes on {day}.",
    "It closes on {day}.",
    "The market closes on {day} at {time} UTC.",
    "The close is set: the market closes on {iso}.",
)
BUY = (
    "Buy {side} at {ask}: the other venue puts YES at {fair}.",
    "Buy {side} at {ask}; {edge} a contract is left after fees.",
    "{side} at {ask} is worth buying: the edge after fees is {edge}.",
    "Buy {side} at {ask} while the other venue still says {fair}.",
    "Take {side} at {ask}: an edge of {edge} remains after fees.",
    "Buy {side} at {ask}, good to {fill}, with an edge of {edge} after fees.",
    "{other} prices YES at {fair}, so buy {side} here at {ask}.",
)
WAIT = (
    "No real edge here.",
    "Wait: nothing in the facts shows an edge.",
    "There is no edge to act on.",
    "Stay out: the facts do not show an edge.",
    "No real edge: what is left after fees does not justify a bet.",
    "Leave it alone, as there is no edge after fees.",
    "Wait for a better price.",
    "The facts do not support a position on either side.",
    "Nothing to do here until the price tells more.",
)
WHY_BET = (
    "The market seems slow to follow the other venue.",
    "The market has not caught up with the other venue.",
    "The two venues disagree, and the cheaper side is the one to own.",
    "The market may be overreacting to a short burst of trading.",
    "Traders here seem to lag the other venue.",
    "It is missing what the other venue already shows.",
    "The gap between the venues has not been closed yet.",
)
WHY_WAIT = (
    "The market misses nothing that the facts show.",
    "Nothing in the evidence shows that the market is missing something.",
    "The price looks fair on what is known.",
    "No fact shows that the market is wrong.",
    "There is no sign of a mispricing.",
    "The evidence is too thin to say that the price is wrong.",
)
RISKS = (
    "The other venue may be the one that is wrong.",
    "News that is not in the evidence could explain the move.",
    "Settlement rules may differ between the two venues.",
    "The ask may be gone before an order is filled.",
    "If the other venue's price comes down, the edge disappears.",
    "A single large trader could have moved the price.",
    "The quotes could be stale.",
    "Liquidity may dry up before the close.",
    "It would be wrong if new information has reached this market first.",
    "The move might simply continue.",
    "An unexpected announcement could push the price the other way.",
    "Fees could change before an exit.",
    "The thin book might not hold for a larger order.",
    "This is wrong if informed traders are behind the move.",
    "The price could keep drifting until the close.",
    "The market might resolve early.",
)
UNPROVED = (
    "Of {setups} earlier setups like this one, {hit} hit, which is unproven.",
    "The hit rate of {setups} earlier setups is {hit}, but that is not proved.",
)
PROVED = (
    "Of {setups} earlier setups like this one, {hit} hit.",
    "The hit rate of those {setups} setups is {hit}, against {matched} for matched moments.",
    "{setups} earlier setups like this one were measured; {hit} hit, and the interval starts at {low}.",
)


class Writer:
    """`seen`: facts that were told, for the claim's ids."""

    def __init__(self, random: Random, scene: Scene) -> None:
        self.random, self.scene = random, scene

    def fact(self, name: str) -> Claim | None:
        value = self.scene.values.get(name)
        if (
            value is None
            or name not in SAID
            or (name == "net_edge_cents" and value <= 0)
            or (value == 0 and name.endswith(("move_cents", "h_cents")))
        ):
            return None
        template = self.random.choice(SAID[name])
        said = template.format(
            n=self.number(name),
            p=f"{value}%" if self.random.random() < 0.7 else f"{value} percent",
            way=self._way(value),
            noun=self.random.choice(("rise", "gain", "jump")) if value > 0 else self.random.choice(("fall", "drop",
            "slide")),
            other=self.scene.other_venue,
            venue=self.scene.venue,
        )  # fmt: skip
        return {"text": said[:1].upper() + said[1:], "evidence_ids": [self.scene.ids[name]]}

    def _way(self, value: Decimal) -> str:
        ways = ("rose", "gained", "climbed", "jumped") if value > 0 else ("fell", "dropped", "slid", "lost")
        return self.random.choice(ways)

    def number(self, name: str) -> str:
        """The fact's value as somebody may write it: exactly, rounded, in another unit, in words."""
        fact = next(fact for fact in self.scene.evidence.facts if fact.name == name)
        value, choice = abs(fact.number), self.random.choice
        if fact.unit == "¢":
            forms: list[Callable[[], str]] = [
                lambda: f"{value}¢",
                lambda: f"{value}¢",
                lambda: f"{value} cents",
                lambda: f"${value / 100:.3f}" if value % 1 else f"${value / 100:.2f}",
            ]
            if value % 1 and abs(round(value) - value) <= value / 10 and value % 1 != Decimal("0.5"):
                forms += [lambda: choice(("about ", "roughly ", "around ", "")) + f"{round(value)}¢"]
            if value <= 12 and value % 1 == 0 and value > 1:
                forms += [lambda: f"{ONES[int(value)]} cents"]
        elif fact.unit == "%":
            forms = [lambda: f"{value}%", lambda: f"{value} percent", lambda: f"{value} per cent"]
        elif fact.unit == "times":
            forms = [lambda: f"{value} times", lambda: f"{value}×", lambda: f"{value}x"]
            if abs(round(value) - value) <= value / 10 and value % 1 != Decimal("0.5") and value > 2:
                forms += [lambda: f"about {round(value)} times"]
        elif fact.unit in ("contracts", "USD"):
            forms = [lambda: self._size(value, fact.unit), lambda: self._size(value, fact.unit)]
            rounded = _significant(value, 2 if value >= 100 else 3)
            if abs(rounded - value) <= value / 20 and value >= 100:
                forms += [lambda: choice(("about ", "roughly ", "some ")) + self._size(rounded, fact.unit)]
            if value >= 1_000 and abs(_significant(value, 3) - value) <= value / 20:
                short = f"{_significant(value, 3) / 1000:f}"
                short = short.rstrip("0").rstrip(".") if "." in short else short
                forms += [lambda: f"${short}k" if fact.unit == "USD" else f"{short}k contracts"]
        elif fact.unit == "h":
            forms = [lambda: f"{value} hours", lambda: f"{value} hours"]
            if value >= 48 and value % 24 == 0:
                forms += [lambda: f"{value / 24:.0f} days", lambda: f"{value / 24:.0f} days"]
        elif fact.unit == "minutes":
            forms = [lambda: f"{value} minutes" if value != 1 else "one minute"]
        else:
            forms = [lambda: f"{value}"]
            if name == "outcomes" and value <= 12:
                forms += [lambda: ONES[int(value)]]
        return choice(forms)()

    def _size(self, value: Decimal, unit: str) -> str:
        text = f"{value:,f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
        return f"${text}" if unit == "USD" else f"{text} contracts"

    def close(self) -> Claim | None:
        at = self.scene.candidate.close_time
        if at is None or "closes_at" not in self.scene.ids:
            return None
        day = self.random.choice((f"{at:%B} {at.day}", f"{at.day} {at:%B}", f"{at:%b} {at.day}, {at.year}"))
        said = self.random.choice(CLOSES).format(day=day, time=f"{at:%H:%M}", iso=f"{at:%Y-%m-%d}")
        return {"text": said, "evidence_ids": [self.scene.ids["closes_at"]]}

    def history(self) -> Claim | None:
        ids, values = self.scene.ids, self.scene.values
        if "setups" not in ids:
            return None
        template = self.random.choice(UNPROVED if self.scene.evidence.history == "unproven" else PROVED)
        names = {"setups": "setups", "hit": "setup_hit_pct", "low": "setup_low_pct", "matched": "matched_hit_pct"}
        told = {slot: name for slot, name in names.items() if f"{{{slot}}}" in template}
        numbers = {slot: str(values[name]) + ("%" if slot != "setups" else "") for slot, name in told.items()}
        return {"text": template.format(**numbers), "evidence_ids": [ids[name] for name in told.values()]}

    def general(self, said: Sequence[str], cites: Sequence[str]) -> Claim:
        known = [self.scene.ids[name] for name in cites if name in self.scene.ids]
        return {"text": self.random.choice(said), "evidence_ids": known or [next(iter(self.scene.ids.values()))]}


def _significant(value: Decimal, digits: int) -> Decimal:
    return Decimal(f"{value:.{digits}g}")


def good_answer(random: Random, scene: Scene) -> dict[str, Any]:
    """A true answer: a bet where code found an edge that can be filled, otherwise to wait."""
    writer = Writer(random, scene)
    is_bet = scene.may_bet and random.random() < 0.8
    side = scene.evidence.edge_side if is_bet else "WAIT"
    told = [writer.fact(name) for name in random.sample(sorted(scene.values), k=min(4, len(scene.values)))]
    reasoning = [claim for claim in told if claim is not None][: random.randint(1, 3)]
    extra = [claim for claim in (writer.close(), writer.history()) if claim is not None and random.random() < 0.35]
    costs = ("price_cents", "yes_ask_cents")
    reasoning = [*reasoning, *extra] or [writer.general(WHY_BET if is_bet else WHY_WAIT, costs)]
    risks = random.sample(RISKS, k=random.randint(1, 3))
    close = [f for f in (writer.fact("spread_cents"),) if f is not None and random.random() < 0.3]
    return {
        "recommendation": random.choice(("STRONG_BET", "GOOD_BET")) if is_bet else random.choice(("CAUTION", "AVOID")),
        "confidence_score": random.randint(61, 90) if is_bet else random.randint(5, 60),
        "win_probability": random.choice((None, 0.4)),
        "one_liner": _buy(writer, str(side)) if is_bet else writer.general(WAIT, ("net_edge_cents", "price_cents")),
        "reasoning": reasoning,
        "risk_factors": [{"text": text, "evidence_ids": []} for text in risks] + close,
        "suggested_position": side,
        "edge_explanation": writer.general(WHY_BET, ("fair_cents",)) if is_bet else writer.general(WHY_WAIT, costs),
        "time_sensitivity": random.choice(("ACT_NOW", "HOURS", "DAYS", "WEEKS")),
    }


def _buy(writer: Writer, side: str) -> Claim:
    template = writer.random.choice(BUY)
    slots = {"ask": f"{side.lower()}_ask_cents", "fair": "fair_cents", "edge": "net_edge_cents", "fill": "fillable_usd"}
    told = {slot: name for slot, name in slots.items() if f"{{{slot}}}" in template}
    numbers = {slot: writer.number(name) for slot, name in told.items()}
    text = template.format(side=side, other=writer.scene.other_venue, **numbers)
    return {"text": text, "evidence_ids": [writer.scene.ids[name] for name in told.values()]}
