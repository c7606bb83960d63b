"""A line chart as SVG that needs nothing else: for pages that are sent around."""

from collections.abc import Callable, Mapping, Sequence
from math import floor, isfinite, log10

from app.report.markup import Markup, tag

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 76, 12, 40  # margins
INK = ("#3f90da", "#e76300", "#832db6", "#a96b59")  # of Petroff's ten
DASHES = ("", "6 4", "2 3", "8 3 2 3")  # so that lines differ without colour too


def lines(
    title: str,
    across: Sequence[float],
    series: Mapping[str, Sequence[float | None]],
    *,
    x_label: str,
    y_label: str,
    top: float | None = None,
) -> Markup:
    """Lines over `across`, from zero; a value that is none or not finite leaves a gap. `top`: end of the vertical axis."""
    values = [value for line in series.values() for value in line if value is not None and isfinite(value)]
    highest = top or nice(max(values, default=1.0) or 1.0)
    low, high = (min(across), max(across)) if across else (0.0, 1.0)
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(at: float) -> float:
        return round(LEFT + width * ((at - low) / (high - low) if high > low else 0.5), 1)

    def y(value: float) -> float:
        return round(TOP + height * (1 - min(max(value / highest, 0), 1)), 1)

    axes = [
        *(level(y(highest * part / 4), short(highest * part / 4)) for part in range(5)),
        *(tag("text", short(at), x=x(at), y=HEIGHT - BOTTOM + 16, text_anchor="middle") for at in ticks(across)),
        tag("text", x_label, x=LEFT + width / 2, y=HEIGHT - 6, text_anchor="middle"),
        tag("text", y_label, transform=f"translate(12 {TOP + height / 2}) rotate(-90)", text_anchor="middle"),
    ]
    drawn, ends = [], apart([last(line, y) for line in series.values()])
    for number, (name, line) in enumerate(series.items()):
        pairs = zip(across, line, strict=True)
        points = [None if value is None or not isfinite(value) else (x(at), y(value)) for at, value in pairs]
        ink, dash = INK[number % len(INK)], DASHES[number % len(DASHES)] or None
        drawn.append(tag("path", d=path(points), fill="none", stroke=ink, stroke_width=2, stroke_dasharray=dash))
        drawn += [tag("circle", cx=point[0], cy=point[1], r=2.5, fill=ink) for point in points if point]
        if ends[number] is not None:
            drawn.append(tag("text", name, x=WIDTH - RIGHT + 8, y=ends[number], class_="name"))
    return tag("svg", tag("title", title), *axes, *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)


def level(at: float, said: str) -> list[Markup]:
    return [
        tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"),
        tag("text", said, x=LEFT - 6, y=at + 4, text_anchor="end"),
    ]


def path(points: Sequence[tuple[float, float] | None]) -> str:
    """The line through the points, lifted where there is none."""
    parts, down = [], False
    for point in points:
        if point:
            parts.append(f"{'L' if down else 'M'}{point[0]} {point[1]}")
        down = point is not None
    return " ".join(parts)


def last(line: Sequence[float | None], y: Callable[[float], float]) -> float | None:
    """Height of a line's label, None for a line without a value."""
    there = [value for value in line if value is not None and isfinite(value)]
    return y(there[-1]) + 4 if there else None


def apart(places: Sequence[float | None], least: float = 13) -> list[float | None]:
    """The heights of labels, moved down where two would touch."""
    found: list[float | None] = list(places)
    below = -least
    for number in sorted((n for n, place in enumerate(places) if place is not None), key=lambda n: places[n] or 0):
        below = max(places[number] or 0, below + least)
        found[number] = below
    return found


def ticks(across: Sequence[float], most: int = 7) -> list[float]:
    """At most `most` of the places, evenly chosen, with the first and the last."""
    if len(across) <= most:
        return list(across)
    return [across[round(part * (len(across) - 1) / (most - 1))] for part in range(most)]


def nice(value: float) -> float:
    """The next larger of 1, 2, 4, 5, 8 or 10 times a power of ten."""
    power = 10.0 ** floor(log10(value))
    return next(factor * power for factor in (1, 2, 4, 5, 8, 10) if factor * power >= value * (1 - 1e-9))


def short(value: float) -> str:
    return f"{value:.3g}"
