"""Base rates as one SVG: of each cell its hit rate with the 95% interval, and what happens without the pattern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from core.detect.rates import MIN_COUNT, Rate

_MOST = 60
_ROW, _TOP, _LEFT, _PLOT, _RIGHT = 18, 60, 330, 420, 150
_COLOURS = {"edge": "#1a7f37", "lift": "#2f6fd6", "adverse": "#b3261e", "unproven": "#767676"}


def chart(rates: Sequence[Rate]) -> str:
    """The proved cells first, then those of most setups; of fewer than 30 none."""
    told = [rate for rate in rates if rate.effective >= MIN_COUNT]
    told = sorted(told, key=lambda rate: (rate.verdict == "unproven", -rate.n))[:_MOST]
    width, height = _LEFT + _PLOT + _RIGHT, _TOP + _ROW * max(len(told), 1) + 20
    lines = [line for place, rate in enumerate(told) for line in _row(rate, _TOP + _ROW * place + _ROW // 2)]
    said = "Hit rate of a detector's setups, 95% interval (dot, line), and of matched moments without the pattern (bar)"
    empty = [] if told else [_text(20, _TOP + 12, f"No cell has {MIN_COUNT} independent setups yet: unproven")]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
            f'font-size="11"><rect width="100%" height="100%" fill="#fff"/>',
            _text(20, 22, said),
            *_axis(height),
            *empty,
            *lines,
            "</svg>\n",
        ]
    )


def _axis(height: int) -> Iterator[str]:
    for share in range(0, 101, 25):
        x = _x(share / 100)
        yield f'<line x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{height - 15}" stroke="#ddd"/>'
        yield _text(x, _TOP - 14, f"{share}%", anchor="middle")


def _row(rate: Rate, y: int) -> Iterator[str]:
    low, high = rate.bounds
    name = f"{rate.detector} · {rate.category or '–'} · {100 * low:.0f}–{100 * high:.0f}¢ · {rate.horizon}"
    colour = _COLOURS[rate.verdict]
    yield _text(_LEFT - 10, y + 4, name, anchor="end")
    yield f'<line x1="{_x(rate.low)}" x2="{_x(rate.high)}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
    yield f'<circle cx="{_x(rate.rate)}" cy="{y}" r="3.5" fill="{colour}"/>'
    if rate.matched_rate is not None:
        x = _x(rate.matched_rate)
        yield f'<line x1="{x}" x2="{x}" y1="{y - 6}" y2="{y + 6}" stroke="#000"/>'
    yield _text(_LEFT + _PLOT + 12, y + 4, f"n {rate.n} · {rate.verdict}", colour=colour)


def _x(share: float) -> float:
    return round(_LEFT + share * _PLOT, 1)


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "#222") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
