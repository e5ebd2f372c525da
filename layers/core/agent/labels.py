"""Every fact that evidence can hold: what it is called and its unit. What is not named here cannot be told."""

from __future__ import annotations

LABELS: dict[str, tuple[str, str]] = {
    "price_cents": ("best estimate of probability", "¢"),
    "yes_ask_cents": ("YES ask", "¢"),
    "no_ask_cents": ("NO ask", "¢"),
    "spread_cents": ("spread", "¢"),
    "spread_typical_cents": ("usual spread", "¢"),
    "move_1h_cents": ("price move in the last hour", "¢"),
    "move_3h_cents": ("price move in the last three hours", "¢"),
    "move_6h_cents": ("price move in the last six hours", "¢"),
    "move_12h_cents": ("price move in the last twelve hours", "¢"),
    "move_12h_before_cents": ("price move in the twelve hours before the last three", "¢"),
    "move_24h_cents": ("price move in the last day", "¢"),
    "jump_cents": ("largest move within a quarter of the last hour", "¢"),
    "implied_move_cents": ("price move that the other markets of its event imply", "¢"),
    "predicted_move_cents": ("price move that usually follows what the event's other markets did", "¢"),
    "move_sigmas": ("size of the move in the market's own usual moves", "times"),
    "volatility_ratio": ("noise of the last six hours against the market's usual noise", "times"),
    "shared_variance_pct": ("share of its hourly moves that the event's other markets explain", "%"),
    "lag_t": ("t statistic of its following them", ""),
    "volume_1h": ("volume in the last hour", "volume"),
    "volume_typical_1h": ("volume in a usual hour", "volume"),
    "volume_ratio": ("last hour's volume against a usual hour", "times"),
    "volume_sigmas": ("size of the volume in its own usual deviations", "times"),
    "volume_24h": ("volume in the last day", "volume"),
    "sum_bids_cents": ("YES bids of all outcomes together", "¢"),
    "outcomes": ("outcomes with a bid", ""),
    "ladder_edge_cents": ("how far YES is offered below the bid for a bet that implies it", "¢"),
    "settled_rate_pct": ("share of markets of this kind and price that settled YES", "%"),
    "settled_events": ("events of that kind and price that were measured", ""),
    "fair_cents": ("price of the same bet on the other venue", "¢"),
    "other_yes_ask_cents": ("YES ask on the other venue", "¢"),
    "other_no_ask_cents": ("NO ask on the other venue", "¢"),
    "taker_fee_cents": ("taker fee a contract", "¢"),
    "net_edge_cents": ("edge a contract after the fee, against the other venue's price", "¢"),
    "fillable_contracts": ("contracts on offer at prices that keep the edge after the fee", "contracts"),
    "fillable_usd": ("what those contracts cost", "USD"),
    "setups": ("earlier setups like this one that were measured", ""),
    "setup_hit_pct": ("share of those setups that hit", "%"),
    "setup_low_pct": ("lower end of the 95% interval of that share", "%"),
    "setup_high_pct": ("upper end of the 95% interval of that share", "%"),
    "matched_hit_pct": ("share of matched moments without the pattern that hit", "%"),
    "setup_net_cents": ("what those setups earned a contract after spread and fees, on average", "¢"),
    "hours_to_close": ("hours until the market closes", "h"),
    "closes_at": ("when the market closes", "UTC"),
    "quote_age_minutes": ("age of these prices", "minutes"),
}

# Of a bundle that code found and priced, and of the day's digest.
BUNDLE_LABELS: dict[str, tuple[str, str]] = {
    "bundle_edge_pct": ("edge of the bundle after fees, of what it costs", "%"),
    "bundle_net_usd": ("edge of the bundle after fees", "USD"),
    "bundle_cost_usd": ("what the bundle costs with fees", "USD"),
    "bundle_payout_usd": ("what the bundle pays if its condition holds", "USD"),
    "bundle_shares": ("shares of each leg", "contracts"),
    "kalshi_yes_limit_cents": ("limit price of YES on Kalshi", "¢"),
    "kalshi_no_limit_cents": ("limit price of NO on Kalshi", "¢"),
    "polymarket_yes_limit_cents": ("limit price of YES on Polymarket", "¢"),
    "polymarket_no_limit_cents": ("limit price of NO on Polymarket", "¢"),
    "quote_age_minutes": LABELS["quote_age_minutes"],
    "settles_at": ("when the later leg settles", "UTC"),
}
DAY_LABELS: dict[str, tuple[str, str]] = {
    "day_insights": ("insights that are alive", ""),
    "day_positions": ("insights that take a position", ""),
    "day_waiting": ("insights that wait", ""),
}

# What detectors call the same thing, and the factor between the two.
DETECTORS_CALL = {
    "hours_left": ("hours_to_close", 1),
    "spread_now_cents": ("spread_cents", 1),
    "shared_variance": ("shared_variance_pct", 100),
    "settled_rate_cents": ("settled_rate_pct", 1),
}

# Facts of how the price moved, with the period in which it did.
MOVES = {
    "move_1h_cents": "hour",
    "move_3h_cents": "3h",
    "move_6h_cents": "6h",
    "move_12h_cents": "12h",
    "move_12h_before_cents": "12h",
    "move_24h_cents": "day",
    "jump_cents": "quarter",
}

# Facts that speak of the past of other moments: a claim of history, which a proof must carry.
HISTORY = frozenset(name for name in LABELS if name.startswith(("setup", "matched")))
