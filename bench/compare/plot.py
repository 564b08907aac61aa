#!/usr/bin/env python3
"""Draws what run.sh measured: the peers' time by platter's as bars, or with run.sh -g how time grows as lines.

usage: plot.py RESULT.json PICTURE.svg [SECTION]

SECTION: main or xfs; all of them unless said. The pictures adapt to a light or dark page.
"""
import html
import json
import math
import pathlib
import sys

ROW, BAR, LABELS, SCALE, TOP, BOTTOM = 26, 9, 250, 520, 62, 34  # pixels
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200)
STYLE = """<style>
text { fill: #24292f; font-family: sans-serif; }
.grid { stroke: #c8ccd0; } .one { stroke: #24292f; }
.wall { fill: #1f6f8b; } .cpu { fill: #e0a458; } .goal { stroke: #c2410c; stroke-width: 2; }
.many { stroke: #1f6f8b; fill: none; stroke-width: 2; } .few { stroke: #e0a458; fill: none; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #d7dde3; } .grid { stroke: #4a525a; } .one { stroke: #d7dde3; }
  .wall { fill: #58b4d1; } .cpu { fill: #d99a4e; } .goal { stroke: #fb923c; }
  .many { stroke: #58b4d1; } .few { stroke: #d99a4e; }
}
</style>"""


def text(x, y, words, size=12, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{html.escape(words)}</text>'


def line(x1, y1, x2, y2, kind, width=0.5):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}" '
            f'stroke-width="{width}"/>')


def page(width, height, parts):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                      f'height="{height}">', STYLE, *parts, "</svg>", ""])


class Axis:
    """Logarithmic, from the smallest to the largest tick that the values need; 1 is always among them."""

    def __init__(self, values):
        first = max([index for index, tick in enumerate(TICKS) if tick <= min([1, *values])] or [0])
        last = min([index for index, tick in enumerate(TICKS) if tick >= max([2, *values])] or [len(TICKS) - 1])
        self.ticks = TICKS[first:last + 1]

    def x(self, value):
        low, high = math.log(self.ticks[0]), math.log(self.ticks[-1])
        return LABELS + SCALE * min(max((math.log(value) - low) / (high - low), 0), 1)


def bar(axis, value, y, kind):
    left, right = sorted((axis.x(1), axis.x(value)))
    return (f'<rect x="{left:.1f}" y="{y:.1f}" width="{right - left:.1f}" height="{BAR}" class="{kind}"/>'
            + text(right + 4, y + BAR - 1, f"{value:.2f}", 9))


def bars(report, rows):
    axis = Axis([row[kind] for row in rows for kind in ("wall_ratio", "cpu_ratio", "wanted_wall") if row[kind]])
    bottom = TOP + ROW * len(rows)
    parts = [text(12, 22, "the peer's time by platter's: longer is faster", 15),
             text(12, 42, f"{report['data_mib']} MiB of mixed data on a disk of {report['virtual_mib']} MiB, medians of "
                          f"{report['pairs']} alternating pairs, {report['machine']['cpus']} CPUs, page cache warm", 11)]
    for x, kind, words in ((330, "wall", "wall time"), (240, "cpu", "CPU time")):
        left = LABELS + SCALE + 60 - x
        parts += [f'<rect x="{left}" y="13" width="10" height="10" class="{kind}"/>', text(left + 14, 22, words, 11)]
    parts += [line(LABELS + SCALE - 90, 12, LABELS + SCALE - 90, 24, "goal"), text(LABELS + SCALE - 84, 22, "to reach", 11)]
    for tick in axis.ticks:
        parts += [line(axis.x(tick), TOP - 6, axis.x(tick), bottom, "one" if tick == 1 else "grid",
                       1.5 if tick == 1 else 0.5), text(axis.x(tick), bottom + 16, f"{tick:g}", 11, "middle")]
    for index, row in enumerate(rows):
        y = TOP + ROW * index
        name = row["task"] if row["section"] == "main" else f"{row['task']} ({row['section']})"
        parts += [text(LABELS - 10, y + 14, name, 12, "end"), bar(axis, row["wall_ratio"], y + 2, "wall"),
                  bar(axis, row["cpu_ratio"], y + 3 + BAR, "cpu")]
        if row["wanted_wall"]:
            parts.append(line(axis.x(row["wanted_wall"]), y, axis.x(row["wanted_wall"]), y + 13, "goal", 2))
    return page(LABELS + SCALE + 60, bottom + BOTTOM, parts)


# Small charts side by side, one for each task: seconds over GiB, a line for each number of CPUs.
WIDTH, HEIGHT, GAP, COLUMNS = 220, 130, 50, 3


def chart(rows, left, top, highest):
    sizes = [row["gib"] for row in rows]
    x = lambda size: left + WIDTH * math.log2(size / sizes[0]) / math.log2(sizes[-1] / sizes[0])
    y = lambda value: top + HEIGHT * (1 - value / highest)
    yield text(left, top - 8, rows[0]["task"], 12)
    for value in (0, highest / 2, highest):
        yield line(left, y(value), left + WIDTH, y(value), "grid")
        yield text(left - 4, y(value) + 4, f"{value:.2g} s", 9, "end")
    for size in sizes:
        yield text(x(size), top + HEIGHT + 14, f"{size} GiB", 9, "middle")
    for cores, kind in zip(rows[0]["seconds"], ("few", "many")):
        points = " ".join(f"{x(row['gib']):.1f},{y(row['seconds'][cores]):.1f}" for row in rows)
        yield f'<polyline points="{points}" class="{kind}"/>'


def growth(report):
    names = list(dict.fromkeys(row["task"] for row in report["growth"]))
    cores = list(report["growth"][0]["seconds"])
    parts = [text(12, 22, "time by the size of a sparse disk", 15),
             text(12, 42, f"{report['data_mib']} MiB of data wherever they lie; the quickest of {report['pairs']} runs", 11)]
    for index, (count, kind) in enumerate(zip(cores, ("few", "many"))):
        parts += [line(560 + 90 * index, 18, 580 + 90 * index, 18, kind, 2),
                  text(586 + 90 * index, 22, f"{count} CPU" + ("s" if count != "1" else ""), 11)]
    for index, name in enumerate(names):
        rows = [row for row in report["growth"] if row["task"] == name]
        left, top = 60 + (WIDTH + GAP) * (index % COLUMNS), 80 + (HEIGHT + GAP) * (index // COLUMNS)
        parts += chart(rows, left, top, 1.1 * max(value for row in rows for value in row["seconds"].values()))
    height = 80 + (HEIGHT + GAP) * -(-len(names) // COLUMNS)
    return page(60 + (WIDTH + GAP) * COLUMNS, height, parts)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__.strip())
    report = json.loads(pathlib.Path(sys.argv[1]).read_text())
    if "growth" in report:
        picture = growth(report)
    else:
        picture = bars(report, [row for row in report["rows"] if len(sys.argv) == 3 or row["section"] == sys.argv[3]])
    pathlib.Path(sys.argv[2]).write_text(picture)


if __name__ == "__main__":
    main()
