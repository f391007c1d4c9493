"""Draw lines on two logarithmic axes as an SVG file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 200, 40, 50
COLOURS: Final = ("#1b6ca8", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0f766e", "#a16207")

Points = Sequence[tuple[float, float]]


def drawn(title: str, x: str, y: str, lines: Mapping[str, Points]) -> str:
    """Return the SVG. Each line has points in the order of x; a cross marks the end of a line that ends early."""
    every = [point for points in lines.values() for point in points]
    xs, ys = _decades([one for one, _ in every]), _decades([one for _, one in every])
    parts = [*_frame(title, x, y), *_grid(xs, ys)]
    for number, (name, points) in enumerate(lines.items()):
        parts += _line(name, points, COLOURS[number % len(COLOURS)], number, xs, ys)
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', *parts, "</svg>"]) + "\n"


def _decades(values: Sequence[float]) -> range:
    """Return the powers of ten around the values."""
    return range(math.floor(math.log10(min(values))), max(math.ceil(math.log10(max(values))), 1) + 1)


def _frame(title: str, x: str, y: str) -> Iterator[str]:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield f'<text x="{LEFT}" y="22" font-size="15" font-weight="bold">{escape(title)}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x)}</text>'
    yield f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'


def _grid(xs: range, ys: range) -> Iterator[str]:
    for power in xs:
        at = _place(10.0**power, xs, LEFT, WIDTH - RIGHT)
        yield f'<path d="M{at} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
        yield f'<text x="{at}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_number(power)}</text>'
    for power in ys:
        at = _place(10.0**power, ys, HEIGHT - BOTTOM, TOP)
        yield f'<path d="M{LEFT} {at}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{_number(power)}</text>'


def _line(name: str, points: Points, colour: str, number: int, xs: range, ys: range) -> Iterator[str]:
    legend = TOP + 20 * number + 8
    yield f'<path d="M{WIDTH - RIGHT + 12} {legend}h18" stroke="{colour}" stroke-width="2"/>'
    yield f'<text x="{WIDTH - RIGHT + 36}" y="{legend + 4}">{escape(name)}</text>'
    places = [(_place(x, xs, LEFT, WIDTH - RIGHT), _place(y, ys, HEIGHT - BOTTOM, TOP)) for x, y in points]
    if not places:
        return
    path = " ".join(f"{x},{y}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    yield from (f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places)
    if places[-1][0] < WIDTH - RIGHT - 1:  # From here on, the query is refused.
        x, y = places[-1]
        yield f'<path d="M{x + 6} {y - 6}l12 12m0 -12l-12 12" stroke="{colour}" stroke-width="2"/>'


def _place(value: float, powers: range, start: float, end: float) -> float:
    span = powers[-1] - powers[0] or 1
    return round(start + (end - start) * (math.log10(value) - powers[0]) / span, 1)


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"
