"""Judges a file through libplatter_inspect: python3 inspect.py FILE [POLICY]"""

import ctypes
import json
import os
import sys

library = ctypes.CDLL(os.environ.get("PLATTER_INSPECT", "libplatter_inspect.so.1"))
library.platter_inspection_create.restype = ctypes.c_void_p
library.platter_inspection_create.argtypes = [ctypes.c_char_p]
library.platter_inspection_feed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
library.platter_inspection_verdict.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p)]
library.platter_inspection_destroy.argtypes = [ctypes.c_void_p]
library.platter_inspection_destroy.restype = None


def inspect(pieces, policy=""):
    """The verdict (0 accepted, 1 refused, 2 undecided) and the answer on an image that comes in pieces of bytes."""
    inspection = library.platter_inspection_create(policy.encode())
    if not inspection:
        raise MemoryError
    try:
        for piece in pieces:
            library.platter_inspection_feed(inspection, piece, len(piece))
        answer = ctypes.c_char_p()
        verdict = library.platter_inspection_verdict(inspection, ctypes.byref(answer))
        return verdict, json.loads(answer.value)
    finally:
        library.platter_inspection_destroy(inspection)


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as image:
        code, said = inspect(iter(lambda: image.read(1 << 20), b""), sys.argv[2] if len(sys.argv) > 2 else "")
    print(json.dumps(said))
    sys.exit(code)
