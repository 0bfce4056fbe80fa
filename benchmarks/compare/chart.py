"""Draws the ratios to Go as an SVG dot plot."""

import math
from xml.sax.saxutils import escape

from bars import NAMES, ROWS

# An opaque card, so that it reads the same on a light page and on a dark one. The colours differ in
# brightness too, and each rival has a shape of its own.
BACKGROUND, INK, GREY, GRID = "#fcfcfa", "#1f2328", "#59636e", "#dfe3e8"
COLOURS = {"ringo": "#0b62c4", "ringo_io_uring": "#0b62c4", "ringo_epoll": "#0b62c4",
           "threads": "#8b8f96", "boost_fiber": "#d9730d", "epoll": "#7a3fb0"}
# Ringo's engines have marks of their own in the rows of I/O; the first is drawn as ringo is.
LEGEND = [rival for rival in COLOURS if rival != "ringo_io_uring"]

LABELS, PANEL, GAP, ROW, TOP, BOTTOM = 192, 320, 48, 22, 104, 64


def mark(rival, x, y):
    colour = COLOURS[rival]
    if rival in ("ringo", "ringo_io_uring"):
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
    if rival == "ringo_epoll":
        return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.2" fill="none" stroke="{colour}" '
                f'stroke-width="1.6"/>')
    if rival == "epoll":
        return (f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" fill="none" '
                f'stroke="{colour}" stroke-width="1.6"/>')
    if rival == "threads":
        return (f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="none" '
                f'stroke="{colour}" stroke-width="1.6"/>')
    return (f'<path d="M{x:.1f} {y - 4.8:.1f}l4.8 4.8l-4.8 4.8l-4.8 -4.8z" fill="none" '
            f'stroke="{colour}" stroke-width="1.6"/>')


def text(x, y, content, size=12, colour=INK, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}" font-weight="{weight}">{escape(content)}</text>')


def line(x1, y1, x2, y2, colour, width=1.0):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"/>')


def tick_text(value):
    return f"{value:g}×" if value < 1 else f"{value:,.0f}×".replace(",", " ")


def legend(x, y):
    parts = []
    for rival in LEGEND:
        parts += [mark(rival, x, y - 4), text(x + 10, y, NAMES[rival], 12, GREY)]
        x += 34 + 7 * len(NAMES[rival])
    parts += [line(x, y - 10, x, y + 2, INK, 2), text(x + 8, y, "bar", 12, GREY)]
    x += 46
    parts += [line(x, y - 10, x, y + 2, GREY, 1.4), text(x + 8, y, "Go", 12, GREY)]
    return parts


def panel(results, rows, workers, left, scale):
    bottom = TOP + ROW * len(rows)
    parts = [text(left, TOP - 12, "1 worker" if workers == 1 else f"{workers} workers", 13,
                  weight="600")]
    for exponent in range(scale.low, scale.high + 1):
        x = left + scale.x(10.0 ** exponent)
        parts += [line(x, TOP, x, bottom, GREY if exponent == 0 else GRID,
                       1.4 if exponent == 0 else 1),
                  text(x, bottom + 17, tick_text(10.0 ** exponent), 11, GREY, "middle")]
    for i, row in enumerate(rows):
        y = TOP + ROW * (i + 0.5)
        for limit in limits(row):
            x = left + scale.x(limit)
            parts.append(line(x, y - 7, x, y + 7, INK, 2))
        # ringo last, on top.
        for rival in reversed(list(COLOURS)):
            value = results.ratio(row.name, workers, rival, "go")
            if value:
                parts.append(mark(rival, left + scale.x(value), y))
    return parts


def limits(row):
    return [bar.limit for bar in row.bars if bar.kind == "go"]


class Scale:
    """Whole decades that hold every value."""

    def __init__(self, values):
        self.low = min(-1, math.floor(math.log10(min(values))))
        self.high = max(1, math.ceil(math.log10(max(values))))

    def x(self, value):
        return PANEL * (math.log10(value) - self.low) / (self.high - self.low)


def draw(results, environment):
    """The chart as text, or None where there is nothing to compare."""
    rows, values = [], []
    for row in ROWS:
        # Idle figures are near nothing for everyone; their ratios say nothing. A rate is no cost.
        if row.name.startswith("idle") or row.name.endswith("/rate"):
            continue
        found = [results.ratio(row.name, workers, rival, "go")
                 for workers in results.workers for rival in COLOURS]
        found = [value for value in found if value]
        if found:
            rows.append(row)
            values += found + limits(row)
    if not rows:
        return None
    scale = Scale(values)
    # Not narrower than the legend.
    width = max(680, LABELS + len(results.workers) * (PANEL + GAP))
    height = TOP + ROW * len(rows) + BOTTOM
    title = "Cost per operation relative to Go"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" '
        f'font-family="system-ui, -apple-system, \'Segoe UI\', sans-serif">',
        f"<title>{title}</title>",
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="{BACKGROUND}" stroke="{GRID}"/>',
        text(20, 30, title, 17, weight="600"),
        text(20, 49, "left is better; logarithmic scale; medians of alternate runs", 12, GREY),
    ]
    parts += legend(22, 73)
    for i, row in enumerate(rows):
        y = TOP + ROW * (i + 0.5)
        if i % 2 == 0:
            parts.append(f'<rect x="8" y="{y - ROW / 2:.1f}" width="{width - 16}" height="{ROW}" '
                         f'fill="#f1f3f5"/>')
        parts.append(text(LABELS - 14, y + 4, row.name, 12, INK, "end"))
    for i, workers in enumerate(results.workers):
        parts += panel(results, rows, workers, LABELS + i * (PANEL + GAP), scale)
    go_version = environment["go"].split(" ")[0] or "Go"
    parts += [text(LABELS, height - 18, f"{environment['cpu']}, {environment['cpus']} CPUs, Linux "
                   f"{environment['kernel'].split('-')[0]}, {go_version}", 11, GREY), "</svg>"]
    return "\n".join(parts) + "\n"
