"""An example of each answer, for the OpenAPI document only."""

from __future__ import annotations

from typing import Any

_NO_ADVICE = "Information, not financial advice."
_USER = "5c0f1f9e-2a3b-4f0e-8a53-0d6a51a7c9b2"
_MAILED = {"detail": "If the address is right, a mail is on its way."}
_TOKENS = {"access_token": "eyJhbGciOi…", "token_type": "bearer", "expires_in": 1800, "refresh_token": "kD0v2c8Z…"}
_KEY = {
    "id": "8f14e45f-ceea-467f-9f1c-1b2d6f4a7d10",
    "name": "my bot",
    "prefix": "ow_kD0v2c8",
    "created_at": "2026-11-22T12:50:00Z",
}
_BASIS = "unproven: the market's price; the model's own number is not calibrated yet (n = 12 events)"
_INSIGHT = {
    "id": "0b1f6f0e-7c1a-4f2a-9a56-6c1d6f6f0d11",
    "platform": "kalshi",
    "market_id": "KXFED-26DEC-T3.75",
    "market_title": "Will the Fed's upper bound be above 3.75% after the December meeting?",
    "yes_means": "Above 3.75%",
    "no_means": "not: Above 3.75%",
    "url": "https://example.com/markets/kxfed/event/kxfed-26dec",
    "pattern_type": "price_drift",
    "pattern_score": 71.5,
    "category": "Economics",
    "ai_recommendation": "GOOD_BET",
    "confidence_score": 41.0,
    "confidence_basis": _BASIS,
    "win_probability": 0.59,
    "win_probability_basis": _BASIS,
    "one_liner": "Buy NO at 41¢: the move came on thin volume.",
    "reasoning": "The price drifted for six hours while little was traded.",
    "risk_factors": ["The meeting may be moved."],
    "suggested_position": "NO",
    "edge_explanation": "A drift without news.",
    "time_sensitivity": "HOURS",
    "net_edge_cents": 3.1,
    "evidence": [{"id": "F1", "name": "no_price", "label": "NO costs", "value": "41", "unit": "¢"}],
    "price_at_emission": 0.59,
    "yes_price_at_emission": 0.6,
    "no_price_at_emission": 0.41,
    "model": "openai/gpt-oss-20b",
    "created_at": "2026-11-22T12:50:00Z",
    "expires_at": "2026-11-23T12:50:00Z",
}


def _leg(platform: str, market_id: str, side: str, price: str, cost: str, fee: str) -> dict[str, Any]:
    return {
        "platform": platform,
        "market_id": market_id,
        "title": _INSIGHT["market_title"],
        "url": _INSIGHT["url"] if platform == "kalshi" else "https://example.com/event/fed-december/above-375",
        "side": side,
        "shares": "100",
        "limit_price": price,
        "cost_usd": cost,
        "fee_usd": fee,
        "fee_rate": "0.07",
        "fee_exponent": "1",
        "fee_read_at": "2026-11-22T12:45:00Z",
        "book_read_at": "2026-11-22T12:50:12Z",
        "top_only": False,
    }


_CONDITION = "0x9f3c1a"
_LEGS = [
    _leg("kalshi", "KXFED-26DEC-T3.75", "YES", "0.55", "55", "1.74"),
    _leg("polymarket", _CONDITION, "NO", "0.4", "40", "0.16"),
]
_ARBITRAGE = {
    "id": "3c59dc04-8e88-4502-9b8d-1e6f5c3a2b77",
    "type": "CROSS_PLATFORM",
    "description": "Fed above 3.75%: YES on Kalshi and NO on Polymarket cost $96.90 with fees and pay $100.00",
    "kalshi_market": "KXFED-26DEC-T3.75",
    "polymarket_market": _CONDITION,
    "edge_percentage": 3.199,
    "net_edge_usd": 3.1,
    "cost_usd": 96.9,
    "shares": 100.0,
    "execution_steps": ["Buy 100 YES of KXFED-26DEC-T3.75 on Kalshi, limit 55¢", "Hold both to settlement"],
    "risks": ["Both legs must fill: one alone is a bet"],
    "settlement_risk": "SAFE",
    "confidence": 90.0,
    "quoted_at": "2026-11-22T12:50:12Z",
    "first_seen_at": "2026-11-22T12:35:10Z",
    "expires_at": "2026-11-22T13:05:12Z",
    "legs": _LEGS,
    "sizes": [{"budget_usd": 100.0, "shares": 100.0, "cost_usd": 96.9, "net_edge_usd": 3.1, "edge_percentage": 3.199}],
    "annualised_percentage": 61.2,
    "settles_at": "2026-12-11T19:00:00Z",
    "analysis": {
        "description": "Both legs cost $96.90 with fees and pay $100.00 if both venues settle alike.",
        "risks": ["The two venues may settle differently."],
        "settlement_risk": "SAFE",
        "confidence": 80,
        "model": "openai/gpt-oss-20b",
        "analysed_at": "2026-11-22T12:50:20Z",
    },
}
_LINE = {name: _INSIGHT[name] for name in ("market_id", "market_title", "url", "one_liner")} | {
    "recommendation": "GOOD_BET"
}
_DIGEST = {
    "day": "2026-11-22",
    "created_at": "2026-11-22T13:00:00Z",
    "top_picks": [_LINE | {"confidence": 41.0, "confidence_basis": _BASIS}],
    "avoid_list": [_LINE | {"recommendation": "AVOID", "reason": "The spread is wider than any edge."}],
    "market_sentiment": "42 insights alive, 9 with a position, 33 to wait",
    "arbitrage_opportunities": [
        {
            "description": _ARBITRAGE["description"],
            "potential_edge": "3.199%",
            "legs": [{name: leg[name] for name in ("platform", "market_id", "title", "url", "side")} for leg in _LEGS],
        }
    ],
    "watchlist": [_LINE | {"recommendation": "CAUTION", "trigger": "A trade above 60¢ on more volume."}],
    "yesterday": [
        {name: _LINE[name] for name in ("market_id", "market_title", "url", "recommendation")}
        | {"position": "YES", "by": "outcome", "payout": 1.0, "net_cents": 43.3}
        | {"ended": "expired", "ended_at": "2026-11-22T11:20:00Z"}
    ],
    "model": "rules (no AI)",
    "without_ai": "the analyst was away",
    "refresh": "hourly",
    "disclaimer": _NO_ADVICE,
}
_MARKET = {
    "platform": "kalshi",
    "market_id": "KXFED-26DEC-T3.75",
    "title": _INSIGHT["market_title"],
    "category": "Economics",
    "event_id": "KXFED-26DEC",
    "status": "open",
    "yes_label": "Above 3.75%",
    "no_label": "Above 3.75%",
    "url": _INSIGHT["url"],
    "open_time": "2026-09-20T14:00:00Z",
    "close_time": "2026-12-10T18:59:00Z",
    "result": None,
    "payout": None,
    "settled_at": None,
    "price": 0.59,
    "yes_price": 0.6,
    "no_price": 0.41,
    "last_price": 0.59,
    "volume": 184200.0,
    "volume_24h": 12650.0,
    "open_interest": 90100.0,
    "liquidity": None,
    "priced_at": "2026-11-22T12:45:03Z",
}
_ANALYSIS = {
    "id": "d3d94468-02a4-4259-b55d-38e6d163e820",
    "platform": "kalshi",
    "market_id": "KXFED-26DEC-T3.75",
    "market_title": _INSIGHT["market_title"],
    "question": None,
    "status": "queued",
    "requested_at": "2026-11-22T12:50:00Z",
    "ended_at": None,
    "result": None,
    "reason": None,
}
_SUBSCRIPTION = {
    "id": "sub_1QK5x2",
    "tier": "premium",
    "status": "active",
    "current_period_end": "2026-12-22T12:50:00Z",
    "cancel_at": None,
    "access_until": "2026-12-29T12:50:00Z",
}
_ACCOUNT = {
    "id": _USER,
    "email": "ada@example.com",
    "tier": "premium",
    "email_verified_at": "2026-11-01T09:00:00Z",
    "created_at": "2026-11-01T08:58:00Z",
}

PROBLEM = {
    "type": "about:blank",
    "title": "Not included in your tier",
    "status": 403,
    "detail": "insights are part of the paid tiers; basic has the five best of each day",
    "upgrade_to": "basic",
}
# By the name of the route.
EXAMPLES: dict[str, Any] = {
    "health": {"status": "ok"},
    "health_jobs": {"status": "ok"},
    "live": {"status": "ok"},
    "get_insights": {
        "insights": [_INSIGHT],
        "next_cursor": None,
        "arbitrage": [_ARBITRAGE],
        "deep_analysis": [],
        "refresh": "real-time",
        "disclaimer": _NO_ADVICE,
    },
    "get_insight": {
        "insight": _INSIGHT
        | {"ended_at": None, "settled": False, "outcome": None}
        | {"came_of_it": {"by": None, "payout": None, "net_cents": None, "ended": None, "ended_at": None}},
        "prices": [{"time": "2026-11-22T12:00:00Z", "price": 0.57, "volume": 1200.0}],
        "refresh": "hourly",
        "disclaimer": _NO_ADVICE,
    },
    "get_arbitrage": {
        "arbitrage": [_ARBITRAGE],
        "next_cursor": None,
        "refresh": "real-time",
        "disclaimer": _NO_ADVICE,
    },
    "get_near_misses": {
        "near_misses": [
            {
                "type": "CROSS_PLATFORM",
                "description": "The same bet on both venues",
                "lacks": "fees",
                "reason": "after fees it loses",
                "legs": [
                    {
                        "platform": "kalshi",
                        "market_id": _INSIGHT["market_id"],
                        "title": _INSIGHT["market_title"],
                        "url": _INSIGHT["url"],
                        "side": "YES",
                        "ask": "0.57",
                        "clears_at": "0.55",
                    }
                ],
                "shares": 100.0,
                "edge_percentage": -1.2,
                "quoted_at": "2026-11-22T12:50:00Z",
                "expires_at": "2026-11-22T13:05:00Z",
            }
        ],
        "refresh": "real-time",
        "disclaimer": _NO_ADVICE,
    },
    "get_latest_digest": _DIGEST,
    "get_digest": _DIGEST,
    "get_markets": {"markets": [_MARKET], "next_cursor": "Yk1pS0lE…", "disclaimer": _NO_ADVICE},
    "get_market": {
        "market": _MARKET
        | {"rules": "If the upper bound is above 3.75%, …", "fee_kind": "quadratic", "fee_rate": 0.07},
        "disclaimer": _NO_ADVICE,
    },
    "get_history": {
        "platform": "kalshi",
        "market_id": "KXFED-26DEC-T3.75",
        "interval": "hour",
        "points": [
            {"time": "2026-11-22T12:00:00Z", "open": 0.55, "high": 0.6, "low": 0.55, "close": 0.59, "volume": 1200.0}
        ],
        "next_cursor": None,
        "disclaimer": _NO_ADVICE,
    },
    "ask": _ANALYSIS,
    "get_analyses": {"analyses": [_ANALYSIS], "next_cursor": None},
    "get_analysis": _ANALYSIS,
    "register": _MAILED,
    "forgot": _MAILED,
    "login": _TOKENS,
    "refresh": _TOKENS,
    "me": _ACCOUNT | {"requests_per_minute": 120},
    "export": {
        "account": _ACCOUNT,
        "stripe_customer_id": "cus_RCx1",
        "sessions": [{"created_at": "2026-11-22T12:50:00Z", "expires_at": "2026-12-22T12:50:00Z", "revoked_at": None}],
        "api_keys": [],
        "subscriptions": [],
        "tier_changes": [],
        "analyses": [],
        "stripe_events": [],
    },
    "get_keys": {"keys": [_KEY]},
    "make_key": _KEY | {"key": "ow_kD0v2c8Zq1xJm3…"},
    "get_plans": {
        "plans": [
            {"tier": tier, "price": price, "currency": "usd", "interval": "month"}
            for tier, price in (("basic", "9.00"), ("premium", "29.00"), ("pro", "99.00"))
        ],
        "trial_days": 0,
    },
    "begin_checkout": {"url": "https://example.com/checkout"},
    "open_portal": {"url": "https://example.com/portal"},
    "get_subscription": {"tier": "premium", "subscriptions": [_SUBSCRIPTION]},
}
