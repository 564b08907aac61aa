"""Runs the tasks of run.sh, which documents the arguments."""
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

from tasks import INPUTS, QEMU_WAYS, TASKS

HERE = pathlib.Path(__file__).parent
SHORT = 0.05  # seconds: shorter tasks are run more often
LONG = 10  # seconds: of longer tasks only two of qemu-img's ways are tried
TOOLS = ("platter", "peer")


class Files:
    """The inputs of one section, made when a task asks for them, and the output."""

    def __init__(self, folder, virtual, data, platter, raw=None):
        self.folder, self.virtual, self.data, self.platter, self.raw = folder, virtual, data, platter, raw
        self.out = str(folder / "output")

    def path(self, kind):
        path = str(self.folder / ("input." + kind))
        if not os.path.exists(path):
            self.make(kind, path)
        return path

    def make(self, kind, path):
        if kind in ("large", "fragmented"):
            words = [sys.executable, HERE / "make_qcow2.py", kind, path]
        elif kind == "ova":
            words = [self.platter, "convert", "-f", "raw", "-O", "ova", self.path("raw"), path]
        elif kind in ("image", "layer"):
            words = [sys.executable, HERE / "make_image.py", self.path("raw"), str(self.folder)]
        elif kind == "raw" and self.raw:
            words = ["cp", "--sparse=always", self.raw, path]
        elif kind == "raw":
            words = [sys.executable, HERE / "make_input.py", path, str(self.virtual), str(self.data)]
        else:
            words = ["qemu-img", "convert", "-f", "raw", *INPUTS[kind], self.path("raw"), path]
        subprocess.run(words, check=True)

    def fill_in(self, text):
        names = set(re.findall(r"{(\w+)}", text)) - {"out"}
        paths = {name: self.path(name) for name in sorted(names)}
        return [word.format(out=self.out, **paths) for word in text.split()]

    def outputs(self):
        return list(self.folder.glob("output*"))  # a flat vmdk has two files

    def clear(self):
        for made in self.outputs():
            os.remove(made)


def run_once(tool, arguments):
    """(seconds, seconds of CPU) of one run, which has to succeed."""
    start = time.monotonic()
    child = subprocess.Popen([tool, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"failed with exit code {child.returncode}: {tool} {' '.join(arguments)}")
    return seconds, usage.ru_utime + usage.ru_stime


def watch_memory(tool, arguments):
    """Peak memory in KiB of one run. Of a process that ended the kernel says no less than what this one holds, so it is
    asked while it runs."""
    child = subprocess.Popen([tool, *arguments], stdout=subprocess.DEVNULL)
    peak = 0
    while child.poll() is None:
        try:
            found = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{child.pid}/status").read_text())
        except OSError:
            break
        peak = max(peak, int(found[1]) if found else 0)
        time.sleep(0.001)
    child.wait()
    return peak


def best_way(task, files):
    """How qemu-img is fastest at a task: its words for that, which come behind the verb."""
    if task.peer != "qemu-img" or not task.ways:
        return []
    words = files.fill_in(task.words)
    times = []
    for way in QEMU_WAYS:
        if times and times[0][0] > LONG and way not in QEMU_WAYS[:1] + [["-m", "16", "-W"]]:
            continue
        files.clear()
        times.append((run_once("qemu-img", [words[0], *way, *words[1:]])[0], way))
        if times[-1][0] < 1:  # noise counts for more
            files.clear()
            times.append((run_once("qemu-img", [words[0], *way, *words[1:]])[0], way))
    return min(times)[1]


def stored(files):
    return sum(os.stat(made).st_blocks * 512 for made in files.outputs())


def commands(task, platter, files):
    """Of either tool: program and arguments."""
    ours = files.fill_in(task.words)
    if task.peer_script:
        script = str(HERE / task.peer_script)
        return {"platter": (platter, ours), "peer": (script, [platter, *files.fill_in(task.peer_words)])}, []
    if task.peer_words:
        return {"platter": (platter, ours), "peer": (task.peer, files.fill_in(task.peer_words))}, []
    way = best_way(task, files)
    return {"platter": (platter, ours), "peer": ("qemu-img", [ours[0], *way, *ours[1:]])}, way


def measure(task, platter, files, pairs):
    tools, way = commands(task, platter, files)
    runs = {tool: [] for tool in TOOLS}
    sizes, memory = dict.fromkeys(TOOLS, 0), {}
    turn, wanted = 0, pairs
    while turn <= wanted:
        for tool in TOOLS:
            files.clear()
            if turn > 0:
                runs[tool].append(run_once(*tools[tool]))
                continue
            memory[tool] = watch_memory(*tools[tool])  # this pair warms the page cache, too
            if task.kind:
                kind = task.peer_kind if tool == "peer" and task.peer_words else task.kind
                run_once("qemu-img", ["compare", "-f", "raw", "-F", kind, files.path("raw"), files.out])
                sizes[tool] = stored(files)
        if turn == 1 and all(runs[tool][0][0] < SHORT for tool in TOOLS):
            wanted = 4 * pairs
        turn += 1
    files.clear()
    ratios = lambda column: statistics.median(theirs[column] / max(ours[column], 1e-4)
                                              for ours, theirs in zip(runs["platter"], runs["peer"]))
    median = lambda tool, column: statistics.median(run[column] for run in runs[tool])
    return {
        "task": task.name, "section": task.section, "peer": task.peer, "way": " ".join(way),
        "wall_ratio": ratios(0), "cpu_ratio": ratios(1), "wanted_wall": task.wall, "wanted_cpu": task.cpu,
        "pairs": wanted,
        "seconds": {tool: median(tool, 0) for tool in TOOLS},
        "cpu_seconds": {tool: median(tool, 1) for tool in TOOLS},
        "peak_rss_kib": memory,
        "output_bytes": sizes,
    }


def print_row(row):
    ours, theirs = (row["seconds"][tool] for tool in TOOLS)
    size = row["output_bytes"]
    relative = f"{size['platter'] / size['peer']:.3f}" if size["peer"] and size["platter"] else ""
    name = row["task"] + ("" if row["section"] == "main" else f" ({row['section']})")
    wanted = f"{row['wanted_wall']:g}" if row["wanted_wall"] else ""
    print(f"{name:34} {ours:9.3f} {theirs:9.3f} {row['wall_ratio']:8.2f} {wanted:>6} {row['cpu_ratio']:8.2f} "
          f"{row['peak_rss_kib']['platter'] / 1024:7.1f} {relative:>7}  {row['peer']} {row['way']}", flush=True)


def chosen(names):
    if not names:
        return TASKS
    unknown = [name for name in names if all(name not in (task.name, task.key, task.section) for task in TASKS)]
    if unknown:
        raise SystemExit("no such task: " + ", ".join(unknown) + "\n" + "\n".join(task.key for task in TASKS))
    return [task for task in TASKS if task.name in names or task.key in names or task.section in names]


def save(path, rows, settings):
    machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "machine": platform.machine(),
               "load": round(os.getloadavg()[1])}  # what else there was to do, and the two tools
    report = {**settings, "machine": machine, "rows": rows}
    pathlib.Path(path).write_text(json.dumps(report, indent=2) + "\n")


def main():
    platter, pairs, data, virtual, folder, xfs, result = sys.argv[1:8]
    pairs, data, virtual = int(pairs), int(data), int(virtual)
    main_files = Files(pathlib.Path(folder), virtual, data, platter)
    sections = {"main": main_files}
    if xfs:
        sections["xfs"] = Files(pathlib.Path(xfs), virtual, data, platter, main_files.path("raw"))
    print(f"{data} MiB of data on a disk of {virtual} MiB, median of {pairs} pairs, {os.cpu_count()} CPUs, page cache warm")
    print(f"{'task':34} {'platter s':>9} {'peer s':>9} {'ratio':>8} {'wanted':>6} {'CPU':>8} {'MiB':>7} {'size':>7}  peer")
    rows = []
    for task in chosen(sys.argv[8:]):
        if task.section not in sections:
            continue
        rows.append(measure(task, platter, sections[task.section], pairs))
        print_row(rows[-1])
        if result:
            save(result, rows, {"data_mib": data, "virtual_mib": virtual, "pairs": pairs})
    if not xfs:
        print("XFS was left out: it takes root and xfsprogs")
    print(f"peak memory: {max(row['peak_rss_kib']['platter'] for row in rows) / 1024:.1f} MiB")


if __name__ == "__main__":
    main()
