"""Runs the measurements of run.sh, which documents the arguments. Needs the Python that Glance's modules belong to."""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

from glance.common import format_inspector

STREAM = 1 << 30
CHUNKS = [64 << 10, 1 << 20]


def our_inspector(bench, chunk_size, runs):
    """Milliseconds of each run, from the benchmark in C++."""
    command = [bench, f"--benchmark_filter=^FeedRaw/{chunk_size}$", f"--benchmark_repetitions={runs}"]
    done = subprocess.run([*command, "--benchmark_format=json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    rows = json.loads(done.stdout)["benchmarks"]
    return [row["real_time"] for row in rows if row["run_type"] == "iteration"]


def timed(task, chunk_size, runs):
    chunk = memoryview(bytes([0x5A]) * chunk_size)
    times = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        task(chunk, STREAM // chunk_size)
        times.append((time.perf_counter() - begin) * 1e3)
    return times[1:]


def glance(names):
    """What Glance does with the chunks of an upload: an inspector that has failed is not asked again."""

    def task(chunk, count):
        inspectors = [format_inspector.get_inspector(name)() for name in names]
        for _ in range(count):
            for inspector in inspectors[:]:
                try:
                    inspector.eat_chunk(chunk)
                except format_inspector.ImageFormatError:
                    inspectors.remove(inspector)

    return task


def piped(hook):
    """The program, started for every run, with the stream on its standard input."""

    def task(chunk, count):
        with subprocess.Popen(
            [hook, "--expect-disk", "raw", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        ) as process:
            for _ in range(count):
                process.stdin.write(chunk)
            answer = process.communicate()[0]
        if process.returncode != 0:
            raise RuntimeError(answer)

    return task


def print_row(name, times, ours):
    median = statistics.median(times)
    spread = f"({min(times):.1f} to {max(times):.1f})"
    print(f"{name:<32}{median:>9.2f} {spread:<18}{STREAM / 2**30 / median * 1e3:>9.1f}{median / ours:>12.2f}")


def main():
    bench, hook, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    cpu = next(line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    print(f"{cpu.split(':')[1].strip()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    for chunk_size in CHUNKS:
        print(f"\n{f'1 GiB, chunks of {chunk_size >> 10} KiB':<32}{f'ms, median of {runs}':<28}{'GiB/s':>9}{'x our time':>12}")
        times = our_inspector(bench, chunk_size, runs)
        ours = statistics.median(times)
        print_row("platter, all formats", times, ours)
        for name, formats in (
            ("glance, all its formats", list(format_inspector.ALL_FORMATS)),
            ("glance, qcow2", ["qcow2"]),
            ("glance, raw (counts bytes)", ["raw"]),
        ):
            print_row(name, timed(glance(formats), chunk_size, runs), ours)
        print_row("platter-hook through a pipe", timed(piped(hook), chunk_size, runs), ours)
    return 0


sys.exit(main())
