"""A rehearsal as an SVG picture, readable on light and dark backgrounds, without external resources."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from .telling import of_call, of_lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from .record import Call, Lane, Rehearsal, Turn

_WIDTH: Final = 900
_LEFT: Final = 250
_RIGHT: Final = 24
_ROW: Final = 42
_HEAD: Final = 40
_GREY: Final = "#808890"
_COLOURS: Final = {
    "answered": "#0d9488", "failed": "#dc2626", "lost": "#d97706", "abandoned": "#d97706", "skipped": _GREY,
}  # fmt: skip


def svg(rehearsal: Rehearsal) -> str:
    """The picture: a block for each call, a bar for each attempt, thin while the caller waits."""
    parts: list[str] = []
    top = 44
    for call in rehearsal.calls:
        parts += _call(call, top)
        top += _HEAD + _ROW * (len(call.lanes) + 1) + 18 * len(call.turns) + 14
    title = f"Rehearsal of {rehearsal.chain}"
    font = 'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="12"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" role="img" {font} fill="{_GREY}">',
            f"<title>{_text(title)}</title>",
            f'<text x="16" y="26" font-size="15">{_text(title, 100)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _call(call: Call, top: int) -> list[str]:
    end = max([call.ended, *(lane.ended for lane in call.lanes)])
    span = max(end - call.started, 1e-9)

    def along(at: float) -> float:
        return _LEFT + (at - call.started) / span * (_WIDTH - _LEFT - _RIGHT)

    bottom = top + _HEAD + _ROW * (len(call.lanes) + 1)
    parts = [f'<text x="16" y="{top + 16}" font-weight="bold">call {call.number}, {call.started:.2f} s</text>']
    for part in range(5):
        at = call.started + span * part / 4
        place = along(at)
        parts.append(f'<path d="M{place:.1f} {top + 24}V{bottom - 6}" stroke="{_GREY}" stroke-opacity=".25"/>')
        anchor = "end" if part == 4 else "middle" if part else "start"
        parts.append(f'<text x="{place:.1f}" y="{top + 18}" text-anchor="{anchor}">{at - call.started:.2f} s</text>')
    row = top + _HEAD
    for lane in call.lanes:
        parts += _row(row, f"{lane.provider}/{lane.model}", of_lane(lane))
        parts += _bar(row, lane, along)
        row += _ROW
    colour = _COLOURS["answered" if call.whole else "failed"]
    parts += _row(row, "the caller", of_call(call))
    first = next((turn.at for turn in call.turns if turn.what == "first text"), call.ended)
    parts.append(_rectangle(along(call.started), along(first), row + 6, 3, colour))
    parts.append(_rectangle(along(first), along(call.ended), row + 2, 11, colour))
    row += _ROW + 4
    for turn in call.turns:
        parts.append(f'<text x="{_LEFT}" y="{row + 4}">{turn.at - call.started:.2f} s  {_text(_turn(turn), 84)}</text>')
        row += 18
    return parts


def _turn(turn: Turn) -> str:
    return f"{turn.what}: {turn.about}" if turn.about else turn.what


def _row(top: int, name: str, told: str) -> list[str]:
    return [
        f'<text x="16" y="{top + 12}">{_text(name, 31)}</text>',
        f'<text x="{_LEFT}" y="{top + 29}" font-size="11">{_text(told, 92)}</text>',
    ]


def _bar(top: int, lane: Lane, along: Callable[[float], float]) -> list[str]:
    colour = _COLOURS[lane.outcome]
    if lane.outcome == "skipped":
        return [f'<path d="M{along(lane.started):.1f} {top + 2}v11" stroke="{colour}" stroke-width="3"/>']
    first = lane.ended if lane.first is None else lane.first
    parts = [_rectangle(along(lane.started), along(first), top + 6, 3, colour)]
    if lane.first is not None:
        parts.append(_rectangle(along(first), along(lane.ended), top + 2, 11, colour))
    return parts


def _rectangle(start: float, end: float, top: float, height: int, colour: str) -> str:
    width = max(end - start, 2.0)
    return f'<rect x="{start:.1f}" y="{top}" width="{width:.1f}" height="{height}" rx="1.5" fill="{colour}"/>'


def _text(text: str, most: int = 1000) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text)
    return escape(shown if len(shown) <= most else f"{shown[: most - 1]}…")
