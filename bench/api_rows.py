"""Insights in the numbers that a year and more leaves, made inside the database."""

from __future__ import annotations

from datetime import UTC, datetime

from core.db import Connection

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
CATEGORIES = 10


async def insert_insights(connection: Connection, *, alive: int, ended: int) -> None:
    """`alive` ones of markets of their own, and `ended` ones of the past; categories in turn."""
    await connection.execute(
        """
        INSERT INTO markets (platform, market_id, title, rules, category, yes_label, no_label, url, status,
            terms_digest, raw_data, first_seen_at, terms_seen_at, status_seen_at)
        SELECT 'kalshi', 'M' || n, 'Will market ' || n || ' come true by the end of the year?', '', 'C' || n % $2,
               'Yes', 'No', 'https://example.com', 'open', n, '{}', $3, $3, $3
        FROM generate_series(1, $1) AS n
        """,
        max(alive, min(ended, 10_000)),
        CATEGORIES,
        NOW,
    )
    await connection.execute(
        """
        INSERT INTO ai_insights (platform, market_id, market_title, pattern_type, pattern_score, category,
            ai_recommendation, confidence_score, confidence_basis, one_liner, reasoning, risk_factors,
            suggested_position, edge_explanation, time_sensitivity, net_edge_cents, evidence, evidence_digest, answer,
            price_at_emission, model, prompt_version, prompt_tokens, cached_tokens, completion_tokens, cost_usd,
            created_at, expires_at, status)
        SELECT 'kalshi', 'M' || 1 + n % $3, 'Will market ' || 1 + n % $3 || ' come true by the end of the year?',
               'volume_surge', 71.5, 'C' || n % $4,
               (ARRAY['STRONG_BET', 'GOOD_BET', 'CAUTION', 'AVOID'])[1 + n % 4], 40 + n % 60, 'unproven',
               'Buy NO at 41¢: the move came on thin volume after a drift of six hours.',
               'The price rose by eleven cents in six hours while hardly anything was traded.',
               '["The hearing may be moved.", "The book is thin above 44¢."]', 'NO',
               'A drift on thin volume, as of which most reverted within a day.', 'HOURS', n % 70 / 10.0,
               '[{"id": "F1", "name": "no_price", "label": "NO costs", "value": "41", "unit": "¢"},
                 {"id": "F2", "name": "volume_24h", "label": "Traded in a day", "value": "1200", "unit": "contracts"},
                 {"id": "F3", "name": "change_6h", "label": "Moved in six hours", "value": "11", "unit": "¢"}]',
               n, '{}', 0.59, 'bench', '1', 1, 0, 1, 0.0001,
               CASE WHEN n <= $1 THEN $5::timestamptz - interval '1 hour'
                    ELSE $5 - interval '2 days' - n * interval '30 s' END,
               CASE WHEN n <= $1 THEN $5 + interval '20 hours' ELSE $5 - interval '1 day' - n * interval '30 s' END,
               CASE WHEN n <= $1 THEN 'active' ELSE 'expired' END
        FROM generate_series(1, $2) AS n
        """,
        alive,
        alive + ended,
        max(alive, min(ended, 10_000)),
        CATEGORIES,
        NOW,
    )
    await connection.execute("VACUUM ANALYZE")
