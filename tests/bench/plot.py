"""Bars as SVG."""
import html
import math

COLOURS = ["#1b6ca8", "#e08e0b", "#5b8c5a", "#a23b72", "#6c757d", "#8d6e63", "#3d348b"]
LEFT, WIDTH, BAR, GAP, HEAD = 260, 620, 9, 10, 56


def bars(path, title, groups, titles, values):
    """A group of bars for each of `groups`; `values`: of each the numbers by key of `titles`."""
    keys = list(titles)
    most = max(v for numbers in values for v in numbers.values())
    least = min(v for numbers in values for v in numbers.values())
    low, high = min(0.5, least / 1.1), max(2.0, most * 1.1)

    def x(value):
        return LEFT + WIDTH * math.log(value / low) / math.log(high / low)
    height = HEAD + len(groups) * (len(keys) * BAR + GAP) + 20
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">'
           % (LEFT + WIDTH + 60, height), '<rect width="100%" height="100%" fill="white"/>',
           '<text x="10" y="18" font-size="13">%s</text>' % html.escape(title)]
    for i, key in enumerate(keys):
        out.append('<rect x="%d" y="28" width="10" height="10" fill="%s"/><text x="%d" y="37">%s</text>'
                   % (10 + 125 * i, COLOURS[i % len(COLOURS)], 24 + 125 * i, html.escape(titles[key])))
    for tick in (t for t in (2.0**i for i in range(-3, 12)) if low <= t <= high):
        out.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s"/><text x="%.1f" y="%d" text-anchor="middle">%g</text>'
                   % (x(tick), x(tick), HEAD - 4, height - 16, "#888" if tick == 1 else "#ddd", x(tick), height - 4, tick))
    y = HEAD
    for group, numbers in zip(groups, values):
        out.append('<text x="%d" y="%.1f" text-anchor="end">%s</text>' % (LEFT - 8, y + len(keys) * BAR / 2 + 4, html.escape(group)))
        for i, key in enumerate(keys):
            if key in numbers:
                out.append('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>'
                           % (LEFT, y + i * BAR, max(1.0, x(numbers[key]) - LEFT), BAR - 1, COLOURS[i % len(COLOURS)]))
        y += len(keys) * BAR + GAP
    path.write_text("\n".join(out) + "\n</svg>\n")
