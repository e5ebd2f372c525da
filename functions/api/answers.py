"""Shapes of the answers, for the OpenAPI document only: answers are encoded elsewhere, and a cold start needs none."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from api.billing import Link, PlanList, Standing
from api.shapes import Platform

Tier = Literal["free", "basic", "premium", "pro"]
Refresh = Literal["daily", "hourly", "real-time"]
NextCursor = Annotated[str | None, Field(description="give it as `cursor` for the next page; null on the last one")]

Url = Annotated[str | None, Field(description="the market's page on the venue's own site; null when unknown")]


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    upgrade_to: Tier | None = Field(default=None, description="the tier that includes what was refused")
    faults: list[dict[str, str]] | None = None


class Said(BaseModel):
    detail: str


class Health(BaseModel):
    status: Literal["ok"]


class Tokens(BaseModel):
    access_token: str
    token_type: Literal["bearer"]
    expires_in: int = Field(description="seconds")
    refresh_token: str = Field(description="good for one use; the answer to it holds the next")


class Account(BaseModel):
    id: str
    email: str
    tier: Tier
    email_verified_at: AwareDatetime | None
    created_at: AwareDatetime
    requests_per_minute: int


class Export(BaseModel):
    account: dict[str, Any]
    stripe_customer_id: str | None
    sessions: list[dict[str, Any]]
    api_keys: list[dict[str, Any]]
    subscriptions: list[dict[str, Any]]
    tier_changes: list[dict[str, Any]]
    analyses: list[dict[str, Any]]
    stripe_events: list[dict[str, Any]] = Field(description="what Stripe told us of you")


class Key(BaseModel):
    id: str
    name: str
    prefix: str
    created_at: AwareDatetime


class MadeKey(Key):
    key: str = Field(description="shown this once; only its hash is stored")


class KeyList(BaseModel):
    keys: list[Key]


class Fact(BaseModel):
    id: str
    name: str
    label: str
    value: str
    unit: str


class Insight(BaseModel):
    id: str
    platform: Platform
    market_id: str
    market_title: str
    yes_means: str
    no_means: str
    url: Url
    pattern_type: str
    pattern_score: float
    category: str | None
    ai_recommendation: Literal["STRONG_BET", "GOOD_BET", "CAUTION", "AVOID"]
    confidence_score: float | None = Field(
        description="100 × the probability that the position earns more than 0 after fees, held to settlement; "
        "null where none is stated"
    )
    confidence_basis: str = Field(description='"calibrated on n events (95%: …)", or what is "unproven"')
    win_probability: float | None = Field(description="of YES; the market's own until a model's is proved")
    win_probability_basis: str
    one_liner: str
    reasoning: str
    risk_factors: list[str]
    suggested_position: Literal["YES", "NO", "WAIT"]
    edge_explanation: str
    time_sensitivity: Literal["ACT_NOW", "HOURS", "DAYS", "WEEKS"]
    net_edge_cents: float | None = Field(description="a contract, after fees")
    evidence: list[Fact]
    price_at_emission: float | None
    yes_price_at_emission: float | None
    no_price_at_emission: float | None
    model: str
    created_at: AwareDatetime
    expires_at: AwareDatetime


ENDED = "null while it stood; withdrawn: what it said held no more before its time was up; closed: its market's trading"
Ended = Literal["expired", "withdrawn", "closed"] | None


class Result(BaseModel):
    by: Literal["outcome", "sale"] | None = Field(
        description="settled; or sold at what could be had for it when the insight's time was up, or when it was "
        "withdrawn before; null where neither is known yet"
    )
    payout: float | None = Field(description="of a YES contract, in dollars, once settled")
    net_cents: float | None = Field(
        description="what a contract of its position earned after fees; null where it waits, or its costs are unknown"
    )


class CameOfIt(Result):
    ended: Ended = Field(description=ENDED)
    ended_at: AwareDatetime | None


class InsightAlone(Insight):
    ended_at: AwareDatetime | None = Field(description="when it was withdrawn or replaced before its time")
    settled: bool
    outcome: Literal["yes", "no", "scalar"] | None
    came_of_it: CameOfIt = Field(description="what is known of it by now")


class Leg(BaseModel):
    """What to buy of one market. Prices and dollars are decimal numbers as text."""

    platform: Platform
    market_id: str
    title: str
    url: Url
    side: Literal["YES", "NO"]
    shares: str
    limit_price: str = Field(description="dollars a share, the worst that is paid")
    cost_usd: str
    fee_usd: str
    fee_rate: str | None
    fee_exponent: str
    fee_read_at: AwareDatetime | None
    book_read_at: AwareDatetime
    top_only: bool = Field(description="the book was not readable: only its best price is known")


class Size(BaseModel):
    """What the same opportunity gives at another size."""

    budget_usd: float | None = Field(description="null: the largest that still pays")
    shares: float
    cost_usd: float
    net_edge_usd: float
    edge_percentage: float


class BundleAnalysis(BaseModel):
    """Those of the analyst's texts that are true of this quote."""

    description: str | None = Field(description="null where the text of an earlier quote does not hold for this one")
    risks: list[str]
    settlement_risk: Literal["SAFE", "CAUTION", "BLOCK"] = Field(description="as the analyst reads the rules")
    confidence: int = Field(description="the model's own, of 100; not calibrated on outcomes")
    model: str
    analysed_at: AwareDatetime


class Arbitrage(BaseModel):
    id: str
    type: Literal["CROSS_PLATFORM", "RELATED_MARKET", "TEMPORAL", "HEDGE"]
    description: str
    kalshi_market: str | None = Field(description="the first leg's there; null when none is")
    polymarket_market: str | None
    edge_percentage: float
    net_edge_usd: float
    cost_usd: float
    shares: float
    execution_steps: list[str]
    risks: list[str]
    settlement_risk: str = Field(description="the stricter of what rules and analyst find")
    confidence: float | None
    quoted_at: AwareDatetime = Field(description="when both books were read")
    first_seen_at: AwareDatetime
    expires_at: AwareDatetime
    legs: list[Leg]
    sizes: list[Size]
    annualised_percentage: float | None = Field(description="simple interest until it settles, where that is known")
    settles_at: AwareDatetime | None
    analysis: BundleAnalysis | None = Field(description="null where the analyst was not asked, or its answer withheld")


class MissedLeg(BaseModel):
    platform: Platform
    market_id: str
    title: str
    url: Url
    side: Literal["YES", "NO"]
    ask: str | None = Field(default=None, description="the best price, in dollars a share")
    clears_at: str | None = Field(default=None, description="the price at which this leg alone would clear the bundle")


class NearMiss(BaseModel):
    type: Literal["CROSS_PLATFORM", "RELATED_MARKET", "TEMPORAL", "HEDGE"]
    description: str
    lacks: Literal["price", "fees", "edge", "depth", "rules", "books"]
    reason: str
    legs: list[MissedLeg]
    shares: float | None
    edge_percentage: float | None = Field(description="after fees; below 0 it would lose")
    quoted_at: AwareDatetime = Field(description="when its books were read")
    expires_at: AwareDatetime


class Common(BaseModel):
    refresh: Refresh
    disclaimer: str
    upgrade_prompt: str | None = Field(default=None, description="basic only")


class DeepAnalysis(BaseModel):
    platform: Platform
    market_id: str
    market_title: str
    ended_at: AwareDatetime
    result: Any


class InsightPage(Common):
    insights: list[Insight]
    next_cursor: NextCursor
    arbitrage: list[Arbitrage] | None = Field(default=None, description="premium and pro")
    deep_analysis: list[DeepAnalysis] | None = Field(default=None, description="pro: what was answered in a day")


class HourlyPrice(BaseModel):
    time: AwareDatetime
    price: float | None
    volume: float | None


class OneInsight(Common):
    insight: InsightAlone
    prices: list[HourlyPrice] = Field(description="hourly closes of the market, from three days before the insight on")


class Arbitrages(Common):
    arbitrage: list[Arbitrage]
    next_cursor: NextCursor


class NearMissPage(Common):
    near_misses: list[NearMiss]


DigestUrl = Annotated[
    str | None,
    Field(description="the market's page on the venue's own site; null when unknown, absent from older digests"),
]


class Line(BaseModel):
    market_id: str
    market_title: str
    url: DigestUrl = None
    recommendation: Literal["STRONG_BET", "GOOD_BET", "CAUTION", "AVOID"]
    one_liner: str


class Pick(Line):
    confidence: float | None
    confidence_basis: str | None = Field(
        default=None, description="what the confidence stands on, as in an insight; absent from older digests"
    )


class Avoided(Line):
    reason: str


class Watched(Line):
    trigger: str


class ToldLeg(BaseModel):
    platform: Platform
    market_id: str
    title: str
    url: Url
    side: Literal["YES", "NO"]


class Told(BaseModel):
    description: str
    potential_edge: str
    legs: list[ToldLeg] | None = Field(default=None, description="what is bought; absent from older digests")


class PastPick(Result):
    market_id: str
    market_title: str
    url: DigestUrl = None
    recommendation: Literal["STRONG_BET", "GOOD_BET", "CAUTION", "AVOID"]
    position: Literal["YES", "NO", "WAIT"]
    ended: Ended = Field(default=None, description=f"{ENDED}; absent from older digests")
    ended_at: AwareDatetime | None = Field(default=None, description="absent from older digests")


class Digest(Common):
    day: date
    created_at: AwareDatetime
    top_picks: list[Pick]
    avoid_list: list[Avoided]
    market_sentiment: str
    arbitrage_opportunities: list[Told] | None = Field(
        default=None, description="premium (from the next full hour on) and pro"
    )
    watchlist: list[Watched]
    yesterday: list[PastPick] = Field(description="what came of the picks of the day before, when this was made")
    model: str
    without_ai: str | None = Field(description="why rules wrote it; null where the analyst did")


class Market(BaseModel):
    platform: Platform
    market_id: str
    title: str
    category: str | None
    event_id: str | None
    status: str
    yes_label: str
    no_label: str
    url: Url
    open_time: AwareDatetime | None
    close_time: AwareDatetime | None
    result: Literal["yes", "no", "scalar"] | None
    payout: float | None
    settled_at: AwareDatetime | None
    price: float | None = Field(description="the best estimate of probability; null when unknown")
    yes_price: float | None = Field(description="what a buyer of YES pays now")
    no_price: float | None
    last_price: float | None
    volume: float | None = Field(description="cumulative: contracts on Kalshi, dollars on Polymarket")
    volume_24h: float | None
    open_interest: float | None
    liquidity: float | None
    priced_at: AwareDatetime | None = Field(description="when the price last changed")


class MarketAlone(Market):
    rules: str
    fee_kind: str | None
    fee_rate: float | None


class MarketPage(BaseModel):
    markets: list[Market]
    next_cursor: NextCursor
    disclaimer: str


class OneMarket(BaseModel):
    market: MarketAlone
    disclaimer: str


class Point(BaseModel):
    """A snapshot has price, yes_price and no_price, a candle open, high, low and close."""

    time: AwareDatetime
    price: float | None = None
    yes_price: float | None = None
    no_price: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = Field(description="of a candle what was traded in it, of a snapshot the cumulative counter")


class History(BaseModel):
    platform: Platform
    market_id: str
    interval: Literal["snapshot", "hour", "day"]
    points: list[Point]
    next_cursor: NextCursor
    disclaimer: str


class Analysis(BaseModel):
    id: str
    platform: Platform
    market_id: str
    market_title: str
    question: str | None
    status: Literal["queued", "running", "done", "withheld", "failed"]
    requested_at: AwareDatetime
    ended_at: AwareDatetime | None
    result: Any
    reason: str | None = Field(description="why nothing was published")


class AnalysisPage(BaseModel):
    analyses: list[Analysis]
    next_cursor: NextCursor


# By the name of the route.
BY_ROUTE: dict[str, type[BaseModel]] = {
    "health": Health,
    "health_jobs": Health,
    "live": Health,
    "get_insights": InsightPage,
    "get_insight": OneInsight,
    "get_arbitrage": Arbitrages,
    "get_near_misses": NearMissPage,
    "get_latest_digest": Digest,
    "get_digest": Digest,
    "get_markets": MarketPage,
    "get_market": OneMarket,
    "get_history": History,
    "ask": Analysis,
    "get_analyses": AnalysisPage,
    "get_analysis": Analysis,
    "register": Said,
    "login": Tokens,
    "refresh": Tokens,
    "forgot": Said,
    "me": Account,
    "export": Export,
    "get_keys": KeyList,
    "make_key": MadeKey,
    "get_plans": PlanList,
    "begin_checkout": Link,
    "open_portal": Link,
    "get_subscription": Standing,
}
