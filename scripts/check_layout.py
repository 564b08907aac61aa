"""What a compiler does not check: the direction of includes and the size of files.

formats <- convert <- registry-core <- tools; a format folder sees formats/core and none of its siblings, and
formats/core sees nothing above it. A container builds on others: formats/containers/NAME sees all of formats/containers.
formats/inspect stands above the formats: it sees the tables of formats and containers, the codecs, tar's headers, and
what content is recognised by. Usage: check_layout.py FILE...
"""

import pathlib
import re
import sys

MAX_LINES = 800
LAYERS = ["formats", "convert", "registry-core", "tools"]
# What may look into every layer.
OUTSIDE = ["tests", "bench", "fuzz"]
SEEN_BY_INSPECT = ["codec", "tar"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def layer_fault(source, included):
    """Why `source` may not include `included`, or None. Both are paths from the project's root, in parts."""
    if source[0] in OUTSIDE:
        return None
    if included[0] not in LAYERS:
        return f"{included[0]}/ is not for the product's code" if included[0] in OUTSIDE else None
    if LAYERS.index(included[0]) > LAYERS.index(source[0]):
        return f"{source[0]}/ must not see {included[0]}/, which stands above it"
    if source[0] == "formats" and len(source) > 2:
        allowed = {source[1], "core"}
        if source[1] == "inspect" and (len(included) == 2 or included[1] == "partition"):
            return None
        above = source[1] == "inspect" and included[1] == "containers"
        if above and (len(included) == 3 or included[2] in SEEN_BY_INSPECT):
            return None
        if len(included) == 2 or included[1] not in allowed:
            return f"formats/{source[1]}/ may see formats/core/ and itself only"
    return None


def faults_of(path):
    text = pathlib.Path(path).read_text()
    lines = text.count("\n")
    if lines > MAX_LINES:
        yield f"{path}: {lines} lines, allowed are {MAX_LINES}"
    for included in INCLUDE.findall(text):
        if not pathlib.Path(included).exists():
            if "/" not in included:
                continue
            yield f'{path}: "{included}" is no path from the project\'s root'
            continue
        fault = layer_fault(pathlib.PurePath(path).parts, pathlib.PurePath(included).parts)
        if fault:
            yield f'{path}: includes "{included}": {fault}'


def main():
    faults = [fault for path in sys.argv[1:] for fault in faults_of(path)]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


sys.exit(main())
