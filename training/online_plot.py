"""Owns the picture of a simulation: the share escalated and the accuracy, round by round, as SVG
by hand, so that it needs no library and follows the reader's light or dark."""

from __future__ import annotations

from collections.abc import Iterator

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 680, 340, 56, 24, 44, 190

# Name of the figure -> what it is called, and its colour.
LINES = {
    "accuracy": ("accuracy, all answers", "#2b8a3e"),
    "dev_local_accuracy": ("local alone, dev", "#868e96"),
    "escalated": ("escalated", "#c92a2a"),
    "dev_needed": ("would do, dev", "#e8890c"),
}


def plot(found: list[dict], accuracy: float) -> str:
    """The picture, from a simulation's rows and the accuracy that was to be kept."""
    return "\n".join(_parts(found, accuracy)) + "\n"


def _parts(found: list[dict], accuracy: float) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" role="img" '
        'aria-label="Share escalated and accuracy, round by round">'
    )
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#dee2e6"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{tenth * 10} %</text>'
    y = _y(accuracy)
    yield (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#2b8a3e" '
        'stroke-dasharray="4 4"/>'
    )
    for at, row in enumerate(found):
        x = _x(at, len(found))
        yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{row["round"]}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">round</text>'
    for index, (name, (called, colour)) in enumerate(LINES.items()):
        points = [(_x(at, len(found)), _y(row[name])) for at, row in enumerate(found)]
        path = " ".join(f"{x},{y}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points)
        y, x = TOP + 20 * index + 10, WIDTH - RIGHT + 12
        yield f'<line x1="{x}" x2="{x + 16}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{x + 22}" y="{y + 4}">{called}</text>'
    yield "</svg>"


def _x(at: int, count: int) -> float:
    width = WIDTH - RIGHT - LEFT
    return round(LEFT + width * (at + 0.5) / count, 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)
