"""What came of an insight, as SQL: shared by what readers are given of one and by the digest's look back."""

from __future__ import annotations

_KNOWN = """
LEFT JOIN LATERAL (
    SELECT g.payout, g.net_cents FROM insight_grades g
    WHERE g.insight_id = {insight}.id AND g.kind = '{kind}' AND g.graded_at <= {at} ORDER BY g.graded_at DESC LIMIT 1
) AS {kind} ON true
"""
_TOLD = """
(SELECT jsonb_build_object(
    'by', CASE WHEN outcome.payout IS NOT NULL THEN 'outcome' WHEN sale.net_cents IS NOT NULL THEN 'sale' END,
    'payout', outcome.payout,
    'net_cents', CASE WHEN outcome.payout IS NOT NULL THEN outcome.net_cents ELSE sale.net_cents END,
    'ended', CASE WHEN NOT over.early AND {insight}.expires_at <= {at} THEN 'expired' WHEN NOT over.early THEN NULL
        WHEN {insight}.status = 'closed' THEN 'closed' ELSE 'withdrawn' END,
    'ended_at', to_char(CASE WHEN over.early THEN {insight}.ended_at
        WHEN {insight}.expires_at <= {at} THEN {insight}.expires_at END AT TIME ZONE 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
FROM (SELECT coalesce({insight}.ended_at <= {at} AND {insight}.ended_at < {insight}.expires_at, false) AS early) AS over
"""


def came_of(insight: str, at: str) -> str:
    """An expression: what is known at `at` of a row of `ai_insights`, both given by their names in the statement.

    A JSON object. `by`: "outcome" where its market settled, "sale" where its position was sold when its time was up,
    else null; `payout` of a YES contract in dollars; `net_cents` that a contract of the position earned after fees;
    `ended`: null while it stands, "expired", or before its time "withdrawn" or "closed", with its market; `ended_at`.
    """
    known = "".join(_KNOWN.format(insight=insight, at=at, kind=kind) for kind in ("outcome", "sale"))
    return _TOLD.format(insight=insight, at=at) + known + ")"
