#!/usr/bin/env python3
"""Draws the results of run.sh as bars: qemu-img's time by platter's, wall and CPU, on a logarithmic scale.

usage: plot.py RESULT.json PICTURE.svg
"""
import html
import json
import math
import pathlib
import sys

ROW, BAR, LABELS, SCALE, TOP, BOTTOM = 26, 9, 240, 520, 62, 34  # pixels
WALL, CPU, GREY, INK = "#1f6f8b", "#e0a458", "#c8ccd0", "#24292f"
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100)


class Axis:
    """From the smallest to the largest tick that the values need; 1 is always among them."""

    def __init__(self, values):
        inside = [index for index, tick in enumerate(TICKS) if min(values) <= tick <= max(values)]
        first = min([TICKS.index(1), *inside])
        last = max([TICKS.index(2), *inside])
        self.ticks = TICKS[max(first - 1, 0) if min(values) < TICKS[first] else first:last + 2]

    def x(self, value):
        low, high = math.log(self.ticks[0]), math.log(self.ticks[-1])
        share = (math.log(value) - low) / (high - low)
        return LABELS + SCALE * min(max(share, 0), 1)


def text(x, y, words, size=12, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{html.escape(words)}</text>'


def bar(axis, value, y, colour):
    left, right = sorted((axis.x(1), axis.x(value)))
    return (f'<rect x="{left:.1f}" y="{y:.1f}" width="{right - left:.1f}" height="{BAR}" fill="{colour}"/>'
            + text(right + 4, y + BAR - 1, f"{value:.2f}", 9))


def grid(axis, bottom):
    for tick in axis.ticks:
        width = 1.5 if tick == 1 else 0.5
        colour = INK if tick == 1 else GREY
        x = axis.x(tick)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}" stroke="{colour}" stroke-width="{width}"/>'
        yield text(x, bottom + 16, f"{tick:g}", 11, "middle")


def legend(report):
    yield text(12, 22, "qemu-img's time by platter's: longer is faster", 15)
    yield text(12, 42, f"{report['data_mib']} MiB of mixed data on a disk of {4 * report['data_mib']} MiB, medians of "
                       f"{report['pairs']} alternating runs, {report['machine']['cpus']} CPUs, page cache warm", 11)
    for x, colour, words in ((LABELS + SCALE - 120, WALL, "wall time"), (LABELS + SCALE - 40, CPU, "CPU time")):
        yield f'<rect x="{x}" y="13" width="10" height="10" fill="{colour}"/>'
        yield text(x + 14, 22, words, 11)


def picture(report):
    rows = report["rows"]
    axis = Axis([row[kind] for row in rows for kind in ("ratio", "cpu_ratio")])
    bottom = TOP + ROW * len(rows)
    width, height = LABELS + SCALE + 60, bottom + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             f'font-family="sans-serif" fill="{INK}">', f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             *legend(report), *grid(axis, bottom)]
    for index, row in enumerate(rows):
        y = TOP + ROW * index
        parts += [text(LABELS - 10, y + 14, row["task"], 12, "end"), bar(axis, row["ratio"], y + 2, WALL),
                  bar(axis, row["cpu_ratio"], y + 3 + BAR, CPU)]
    return "\n".join([*parts, "</svg>", ""])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    report = json.loads(pathlib.Path(sys.argv[1]).read_text())
    pathlib.Path(sys.argv[2]).write_text(picture(report))


if __name__ == "__main__":
    main()
