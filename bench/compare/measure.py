"""Runs the tasks of run.sh, which documents the arguments."""
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent

# name: (arguments, with {in} for the input and {out} for the output; None = nothing to compare)
TASKS = {
    "raw to raw": ("convert -f raw -O raw {raw} {out}", "raw"),
    "raw to qcow2": ("convert -f raw -O qcow2 {raw} {out}", "qcow2"),
    "qcow2 to raw": ("convert -f qcow2 -O raw {qcow2} {out}", "raw"),
    "qcow2 to qcow2": ("convert -f qcow2 -O qcow2 {qcow2} {out}", "qcow2"),
    "raw to compressed (zlib)": ("convert -c -f raw -O qcow2 {raw} {out}", "qcow2"),
    "raw to compressed (zstd)": ("convert -c -f raw -O qcow2 -o compression_type=zstd {raw} {out}", "qcow2"),
    "compressed (zlib) to raw": ("convert -f qcow2 -O raw {zlib} {out}", "raw"),
    "compressed (zstd) to raw": ("convert -f qcow2 -O raw {zstd} {out}", "raw"),
    "raw to vhd": ("convert -f raw -O vpc {raw} {out}", "vpc"),
    "vhd to raw": ("convert -f vpc -O raw {vpc} {out}", "raw"),
    "raw to fixed vhd": ("convert -f raw -O vpc -o subformat=fixed {raw} {out}", "vpc"),
    "fixed vhd to raw": ("convert -f vpc -O raw {fixed} {out}", "raw"),
    "raw to vhdx": ("convert -f raw -O vhdx {raw} {out}", "vhdx"),
    "vhdx to raw": ("convert -f vhdx -O raw {vhdx} {out}", "raw"),
    "raw to fixed vhdx": ("convert -f raw -O vhdx -o subformat=fixed {raw} {out}", "vhdx"),
    "fixed vhdx to raw": ("convert -f vhdx -O raw {fixedvhdx} {out}", "raw"),
    "raw to vmdk": ("convert -f raw -O vmdk {raw} {out}", "vmdk"),
    "raw to vmdk (streamOptimized)": ("convert -f raw -O vmdk -o subformat=streamOptimized {raw} {out}", "vmdk"),
    "streamOptimized vmdk to raw": ("convert -f vmdk -O raw {stream} {out}", "raw"),
    "vmdk to raw": ("convert -f vmdk -O raw {vmdk} {out}", "raw"),
    "raw to flat vmdk": ("convert -f raw -O vmdk -o subformat=monolithicFlat {raw} {out}", "vmdk"),
    "flat vmdk to raw": ("convert -f vmdk -O raw {flat} {out}", "raw"),
    "raw to vdi": ("convert -f raw -O vdi {raw} {out}", "vdi"),
    "vdi to raw": ("convert -f vdi -O raw {vdi} {out}", "raw"),
    "raw to ploop": ("convert -f raw -O parallels {raw} {out}", "parallels"),
    "ploop to raw": ("convert -f parallels -O raw {parallels} {out}", "raw"),
    "compare raw, qcow2": ("compare -f raw -F qcow2 {raw} {qcow2}", None),
    "map": ("map --output=json -f qcow2 {qcow2}", None),
    "check": ("check -f qcow2 {qcow2}", None),
    "info": ("info -f qcow2 {qcow2}", None),
}


# What qemu-img makes of the disk for the tasks to read: kind, words of convert.
INPUTS = {
    "qcow2": ["-O", "qcow2"],
    "zlib": ["-c", "-O", "qcow2"],
    "zstd": ["-c", "-O", "qcow2", "-o", "compression_type=zstd"],
    "vpc": ["-O", "vpc"],
    "fixed": ["-O", "vpc", "-o", "subformat=fixed"],
    "vhdx": ["-O", "vhdx"],
    "fixedvhdx": ["-O", "vhdx", "-o", "subformat=fixed"],
    "vmdk": ["-O", "vmdk"],
    "vdi": ["-O", "vdi"],
    "parallels": ["-O", "parallels"],
    "flat": ["-O", "vmdk", "-o", "subformat=monolithicFlat"],
    "stream": ["-O", "vmdk", "-o", "subformat=streamOptimized"],
}


def make_inputs(folder, data):
    """The disk as raw and, by qemu-img, as every kind of image that a task reads."""
    paths = {kind: str(folder / ("input." + kind)) for kind in ["raw", *INPUTS]}
    if not os.path.exists(paths["raw"]):
        subprocess.run([sys.executable, HERE / "make_input.py", paths["raw"], str(4 * data), str(data)], check=True)
    for kind, words in INPUTS.items():
        if not os.path.exists(paths[kind]):
            subprocess.run(["qemu-img", "convert", "-f", "raw", *words, paths["raw"], paths[kind]], check=True)
    return paths


def run_once(tool, arguments):
    """(seconds, seconds of CPU, peak memory in KiB) of one run, which has to succeed."""
    start = time.monotonic()
    child = subprocess.Popen([tool, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"failed with exit code {child.returncode}: {tool} {' '.join(arguments)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def measure(name, tools, paths, folder, pairs):
    text, kind = TASKS[name]
    out = str(folder / "output")
    outputs = lambda: list(folder.glob("output")) + list(folder.glob("output-flat"))  # a flat vmdk has two files
    arguments = [word.format(out=out, **paths) for word in text.split()]
    times = {tool: [] for tool in tools}
    cpu = {tool: [] for tool in tools}
    memory = dict.fromkeys(tools, 0)
    sizes = dict.fromkeys(tools, 0)
    for turn in range(pairs + 1):
        for tool in tools:
            for made in outputs():
                os.remove(made)
            seconds, busy, peak = run_once(tools[tool], arguments)
            memory[tool] = max(memory[tool], peak)
            if turn > 0:  # the first pair warms the page cache
                times[tool].append(seconds)
                cpu[tool].append(busy)
            elif kind:
                run_once("qemu-img", ["compare", "-f", "raw", "-F", kind, paths["raw"], out])
                sizes[tool] = sum(os.stat(made).st_blocks * 512 for made in outputs())
    return {
        "task": name,
        "ratio": statistics.median(times["qemu-img"]) / statistics.median(times["platter"]),
        "cpu_ratio": statistics.median(cpu["qemu-img"]) / max(statistics.median(cpu["platter"]), 1e-4),
        "cpu_seconds": {tool: sorted(cpu[tool]) for tool in tools},
        "seconds": {tool: sorted(times[tool]) for tool in tools},
        "median_seconds": {tool: statistics.median(times[tool]) for tool in tools},
        "peak_rss_kib": memory,
        "output_bytes": sizes,
    }


def print_row(row):
    ours, theirs = row["median_seconds"]["platter"], row["median_seconds"]["qemu-img"]
    rss = row["peak_rss_kib"]
    size = row["output_bytes"]
    relative = f"{size['platter'] / size['qemu-img']:10.3f}" if size["qemu-img"] else " " * 10
    print(f"{row['task']:26} {ours:9.3f} {theirs:9.3f} {row['ratio']:7.2f} {row['cpu_ratio']:7.2f} "
          f"{rss['platter'] / 1024:9.1f} {rss['qemu-img'] / 1024:9.1f} {relative}", flush=True)


def main():
    platter, pairs, data, folder, result = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
    names = sys.argv[6:] or list(TASKS)
    folder = pathlib.Path(folder)
    tools = {"platter": platter, "qemu-img": "qemu-img"}
    paths = make_inputs(folder, data)
    print(f"{data} MiB of data on a disk of {4 * data} MiB, median of {pairs} runs, {os.cpu_count()} CPUs, page cache warm")
    print(f"{'task':26} {'platter s':>9} {'qemu s':>9} {'ratio':>7} {'CPU':>7} {'MiB':>9} {'qemu MiB':>9} {'size':>10}")
    rows = []
    for name in names:
        rows.append(measure(name, tools, paths, folder, pairs))
        print_row(rows[-1])
    if result:
        machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "machine": platform.machine()}
        report = {"data_mib": data, "pairs": pairs, "machine": machine, "rows": rows}
        pathlib.Path(result).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
