"""How platter's time grows: with the size of a sparse disk, and with workers. Run by run.sh -g.

The quickest of some runs stands for all: what else the machine does can only make one longer.
"""
import json
import os
import pathlib
import subprocess
import sys

from measure import HERE, run_once

SIZES = (1, 4, 16, 64)  # GiB
# Name, words; what makes the tasks' inputs is here too, by platter itself.
TASKS = [
    ("raw to qcow2", "convert -f raw -O qcow2 {raw} {out}"),
    ("qcow2 to raw", "convert -f qcow2 -O raw {qcow2} {out}"),
    ("raw to qcow2 -c", "convert -c -f raw -O qcow2 {raw} {out}"),
    ("qcow2 -c to raw", "convert -f qcow2 -O raw {zlib} {out}"),
    ("compare", "compare -f raw -F qcow2 {raw} {qcow2}"),
    ("block hash", "hash --block -f qcow2 {qcow2}"),
]


def make_inputs(platter, folder, size, data):
    paths = {kind: str(folder / f"{size}.{kind}") for kind in ("raw", "qcow2", "zlib")}
    subprocess.run([sys.executable, "-B", HERE / "make_input.py", paths["raw"], str(size * 1024), str(data)], check=True)
    subprocess.run([platter, "convert", "-f", "raw", "-O", "qcow2", paths["raw"], paths["qcow2"]], check=True)
    subprocess.run([platter, "convert", "-c", "-f", "raw", "-O", "qcow2", paths["raw"], paths["zlib"]], check=True)
    return paths


def seconds(platter, words, out, cpus):
    """Of one run on so many CPUs, which is what bounds the workers."""
    if os.path.exists(out):
        os.remove(out)
    os.sched_setaffinity(0, cpus)
    try:
        return run_once(platter, words)[0]
    finally:
        os.sched_setaffinity(0, range(os.cpu_count()))


def main():
    platter, pairs, data, folder, result = sys.argv[1:6]
    pairs, data, folder = int(pairs), int(data), pathlib.Path(folder)
    out = str(folder / "output")
    sets = {"1": {0}, str(os.cpu_count()): set(range(os.cpu_count()))}
    rows = []
    print(f"{data} MiB of data, seconds, the quickest of {pairs} runs")
    print(f"{'task':18} {'GiB':>4} " + " ".join(f"{cores + ' CPU':>8}" for cores in sets) + f" {'ratio':>6}")
    for size in SIZES:
        paths = make_inputs(platter, folder, size, data)
        for name, text in TASKS:
            words = [word.format(out=out, **paths) for word in text.split()]
            times = {cores: [] for cores in sets}
            for turn in range(pairs + 1):
                for cores, cpus in sets.items():
                    took = seconds(platter, words, out, cpus)
                    if turn > 0:
                        times[cores].append(took)
            quickest = {cores: min(times[cores]) for cores in sets}
            one, many = quickest.values()
            rows.append({"task": name, "gib": size, "seconds": quickest, "ratio": one / many})
            print(f"{name:18} {size:4} " + " ".join(f"{quickest[cores]:8.3f}" for cores in sets) + f" {one / many:6.2f}", flush=True)
        for path in [*paths.values(), out]:
            if os.path.exists(path):
                os.remove(path)
    if result:
        pathlib.Path(result).write_text(json.dumps({"data_mib": data, "pairs": pairs, "growth": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
