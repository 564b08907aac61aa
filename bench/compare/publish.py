#!/usr/bin/env python3
"""Puts what run.sh measured into README.md and docs/performance.md, between the marks that are there, with the pictures.

usage: publish.py RESULT.json...
"""
import json
import pathlib
import re
import sys

import plot
import table

ROOT = pathlib.Path(__file__).resolve().parents[2]


def put(file, mark, lines):
    """Replaces what stands between <!-- MARK --> and <!-- end of MARK -->."""
    text = file.read_text()
    pattern = re.compile(rf"(<!-- {mark} -->\n).*(<!-- end of {mark} -->)", re.DOTALL)
    if not pattern.search(text):
        sys.exit(f"{file}: no place for {mark}")
    file.write_text(pattern.sub(lambda found: found[1] + "\n" + "\n".join(lines) + "\n\n" + found[2], text))


def publish_growth(report):
    (ROOT / "docs/growth.svg").write_text(plot.growth(report))
    put(ROOT / "docs/performance.md", "growth", [
        f"{report['data_mib']} MiB of data on ever larger disks, and one CPU against more; the quickest of {report['pairs']} "
        "runs:", "", "![time by the size of a sparse disk](growth.svg)", "", *table.growth(report), "",
        f"    bench/compare/run.sh -g -n {report['pairs']} -s {report['data_mib']} -o growth.json"])


def publish_table(report):
    sections = {name: [row for row in report["rows"] if row["section"] == name] for name in ("main", "xfs")}
    peak = max(row["peak_rss_kib"]["platter"] for row in report["rows"]) / 1024
    lines = [f"Medians of the ratios of {report['pairs']} alternating pairs on {report['machine']['cpus']} CPUs, warm page cache, "
             f"{report['data_mib']} MiB of data on a", f"disk of {report['virtual_mib']} MiB; load average of the machine: "
             f"{report['machine']['load']}. Peak memory: {peak:.0f} MiB.", "",
             "![the peer's time by platter's](docs/compare.svg)", "", *table.comparison(sections["main"])]
    if report["machine"]["load"] > 2 * report["machine"]["cpus"]:
        lines[2:2] = [
            "Others kept the machine busy: CPU time is the surer column, and wall time of short tasks says little."]
    (ROOT / "docs/compare.svg").write_text(plot.bars(report, sections["main"]))
    if sections["xfs"]:
        (ROOT / "docs/compare-xfs.svg").write_text(plot.bars(report, sections["xfs"]))
        lines += ["", "On XFS, where images share blocks with their source:", "",
                  "![the same on XFS](docs/compare-xfs.svg)", "", *table.comparison(sections["xfs"])]
    put(ROOT / "README.md", "comparison",
        [*lines, "", f"    bench/compare/run.sh -n {report['pairs']} -s {report['data_mib']} -o result.json"])


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    for path in sys.argv[1:]:
        report = json.loads(pathlib.Path(path).read_text())
        publish_growth(report) if "growth" in report else publish_table(report)


if __name__ == "__main__":
    main()
