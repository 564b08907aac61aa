"""The results of run.sh as lines of Markdown tables."""


def memory(row):
    """MiB; of a run that was over before it could be asked nothing is known."""
    mebibytes = f"{row['peak_rss_kib']['platter'] / 1024:.0f}"
    return mebibytes if mebibytes != "0" else "-"


def comparison(rows):
    yield "| task | peer | wall time | to reach | CPU time | size by the peer's | MiB of memory |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        size = row["output_bytes"]
        relative = f"{size['platter'] / size['peer']:.3f}" if size["peer"] and size["platter"] else ""
        wanted = f"{row['wanted_wall']:g}" if row["wanted_wall"] else ""
        peer = f"{row['peer']} {row['way']}".strip()
        yield (f"| {row['task']} | {peer} | {row['wall_ratio']:.2f} | {wanted} | {row['cpu_ratio']:.2f} | {relative} | "
               f"{memory(row)} |")


def growth(report):
    cores = list(report["growth"][0]["seconds"])
    yield "| task | GiB | " + " | ".join(f"s on {count} CPU" for count in cores) + " |"
    yield "| --- " * (2 + len(cores)) + "|"
    for row in report["growth"]:
        yield (f"| {row['task']} | {row['gib']} | " +
               " | ".join(f"{row['seconds'][count]:.3f}" for count in cores) + " |")
