"""Plots as SVG, written by hand: panels side by side, both axes logarithmic, a few series each."""

import math
from xml.sax.saxutils import escape

COLORS = ("#0b6e99", "#b3541e", "#5a7d2a", "#7a4f9a")
INK, GRID, PAPER = "#333333", "#dddddd", "#ffffff"
WIDTH, HEIGHT = 460, 360  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 56, 52
FONT = "font-family='sans-serif' font-size='12'"


def decades(values):
    """The powers of ten, as exponents, that hold all VALUES."""
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    return list(range(low, max(high, low + 1) + 1))


def number(value):
    """A power of ten as people write it."""
    if value >= 1:
        return f"{value:,.0f}"
    return f"{value:.6f}".rstrip("0")


class Panel:
    """One plot: a title, the axes' names, and {series: [(x, y)]}; every x and y is above zero."""

    def __init__(self, title, x_name, y_name, series):
        """Nothing is drawn yet."""
        self.title, self.x_name, self.y_name = title, x_name, y_name
        self.series = series
        points = [point for rows in series.values() for point in rows]
        self.xs = decades([x for x, _ in points])
        self.ys = decades([y for _, y in points])

    def at(self, x, y):
        """Where a value stands in the panel."""
        across = (math.log10(x) - self.xs[0]) / (self.xs[-1] - self.xs[0])
        up = (math.log10(y) - self.ys[0]) / (self.ys[-1] - self.ys[0])
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    def axes(self):
        """Grid, ticks and names."""
        parts = [text(LEFT, 22, self.title, "start", "bold")]
        bottom, left = 10.0 ** self.ys[0], 10.0 ** self.xs[0]
        for exponent in self.xs:
            x, y = self.at(10.0**exponent, bottom)
            parts.append(line(x, TOP, x, y, GRID, 1))
            parts.append(text(x, y + 18, number(10.0**exponent), "middle"))
        for exponent in self.ys:
            x, y = self.at(left, 10.0**exponent)
            parts.append(line(x, y, WIDTH - RIGHT, y, GRID, 1))
            parts.append(text(x - 8, y + 4, number(10.0**exponent), "end"))
        parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, self.x_name, "middle"))
        parts.append(text(LEFT, 42, self.y_name, "start"))
        return parts

    def curves(self):
        """The series, each with its name at its last point: below it for the lowest."""
        parts = []
        lowest = min(rows[-1][1] for rows in self.series.values())
        for color, (name, rows) in zip(COLORS, self.series.items(), strict=False):
            places = [self.at(x, y) for x, y in rows]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(
                f"<polyline points='{path}' fill='none' stroke='{color}' stroke-width='2'/>"
            )
            parts += [
                f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{color}'/>" for x, y in places
            ]
            x, y = places[-1]
            y += 20 if rows[-1][1] == lowest and len(self.series) > 1 else -10
            parts.append(text(x - 2, y, name, "end", "bold", color))
        return parts


def line(x1, y1, x2, y2, color, width):
    """A straight line."""
    return (
        f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' "
        f"stroke='{color}' stroke-width='{width}'/>"
    )


def text(x, y, words, anchor, weight="normal", color=INK):
    """Words at a place."""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-weight='{weight}' "
        f"fill='{color}' {FONT}>{escape(words)}</text>"
    )


def write(path, panels, note):
    """Writes the PANELS side by side, and a NOTE below them, as the file PATH."""
    width, height = WIDTH * len(panels), HEIGHT + 28
    parts = [
        "<?xml version='1.0' encoding='UTF-8'?>",
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}'>",
        f"<rect width='{width}' height='{height}' fill='{PAPER}'/>",
    ]
    for i, panel in enumerate(panels):
        parts.append(f"<g transform='translate({i * WIDTH} 0)'>")
        parts += [*panel.axes(), *panel.curves(), "</g>"]
    parts += [text(LEFT, HEIGHT + 14, note, "start"), "</svg>"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n")
