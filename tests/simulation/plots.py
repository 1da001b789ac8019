"""Curves as SVG, legible on light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH: Final = 720
HEIGHT: Final = 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 36, 44
COLOURS: Final = ("#0d9488", "#d97706", "#7c3aed", "#dc2626")
GREY: Final = "#808890"


@dataclass(frozen=True)
class Axis:
    """One direction of a plot: from ``least`` to ``most``, with lines at ``ticks``."""

    title: str
    least: float
    most: float
    ticks: Sequence[float]

    def place(self, value: float, start: float, length: float) -> float:
        """Where a value is drawn; what is beyond the ends is drawn at them."""
        share = (min(max(value, self.least), self.most) - self.least) / (self.most - self.least)
        return start + share * length


def plot(title: str, x: Axis, y: Axis, curves: Mapping[str, Sequence[tuple[float, float]]], *, stepped: bool) -> str:
    """An SVG of these curves, from left to right; ``stepped`` where a value holds until the next."""
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return x.place(point[0], LEFT, wide), HEIGHT - BOTTOM - y.place(point[1], 0, high)

    said = 'role="img" font-family="system-ui, sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {said} fill="{GREY}">',
        f"<title>{escape(title)}</title>",
    ]
    for tick in y.ticks:
        _, height = at((x.least, tick))
        parts.append(f'<path d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}" stroke="{GREY}" stroke-opacity=".25"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{height + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x.ticks:
        along, _ = at((tick, y.least))
        parts.append(f'<path d="M{along:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{GREY}" stroke-opacity=".25"/>')
        parts.append(f'<text x="{along:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.title)}</text>')
    parts.append(f'<text x="{LEFT}" y="16">{escape(y.title)}</text>')
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn = [at(point) for point in points]
        path = f"M{drawn[0][0]:.1f} {drawn[0][1]:.1f}"
        for across, down in drawn[1:]:
            path += f"H{across:.1f}V{down:.1f}" if stepped else f"L{across:.1f} {down:.1f}"
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
        place = f'x="{WIDTH - RIGHT}" y="{TOP + 16 + 16 * number}" text-anchor="end"'
        parts.append(f'<text {place} fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
