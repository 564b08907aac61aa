#!/usr/bin/env python3
"""Makes qcow2 images of 1 TiB for check and map: all of the metadata, no data but holes.

usage: make_qcow2.py large|fragmented FILE

large: 64 GiB are allocated, in one piece at the disk's start and on the host.
fragmented: 131072 clusters of 64 KiB, one in 128 of the disk, in a random order on the host, the same for every run.
"""
import array
import random
import struct
import sys

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
ENTRIES = CLUSTER // 8  # of an L2 table
REFCOUNTS = CLUSTER // 2  # of a refcount block, 16 bits each
VIRTUAL = 1 << 40
COPIED = 1 << 63


def big_endian(values, code):
    table = array.array(code, values)
    table.byteswap()
    return table.tobytes()


def guest_clusters(kind):
    if kind == "large":
        return list(range((64 << 30) // CLUSTER))
    return list(range(0, VIRTUAL // CLUSTER, 128))


def write(path, kind):
    guests = guest_clusters(kind)
    tables = sorted({guest // ENTRIES for guest in guests})
    l1_entries = VIRTUAL // CLUSTER // ENTRIES
    l1_clusters = -(-l1_entries * 8 // CLUSTER)
    fixed = 1 + l1_clusters + len(tables) + len(guests)
    blocks = -(-fixed // (REFCOUNTS - 1)) + 1
    total = fixed + blocks + 1  # and the refcount table, of one cluster
    table_at, blocks_at = 1, 2
    l1_at = blocks_at + blocks
    l2_at = l1_at + l1_clusters
    data_at = l2_at + len(tables)
    hosts = list(range(data_at, data_at + len(guests)))
    if kind == "fragmented":
        random.Random(1).shuffle(hosts)
    l2 = {table: [0] * ENTRIES for table in tables}
    for guest, host in zip(guests, hosts):
        l2[guest // ENTRIES][guest % ENTRIES] = host * CLUSTER | COPIED
    l1 = [0] * l1_entries
    for number, table in enumerate(tables):
        l1[table] = (l2_at + number) * CLUSTER | COPIED
    with open(path, "wb") as file:
        file.write(struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, CLUSTER_BITS, VIRTUAL, 0, l1_entries,
                               l1_at * CLUSTER, table_at * CLUSTER, 1, 0, 0, 0, 0, 0, 4, 104))
        file.seek(table_at * CLUSTER)
        file.write(big_endian([(blocks_at + number) * CLUSTER for number in range(blocks)], "Q"))
        for number in range(blocks):
            used = min(max(total - number * REFCOUNTS, 0), REFCOUNTS)
            file.seek((blocks_at + number) * CLUSTER)
            file.write(big_endian([1] * used, "H"))
        file.seek(l1_at * CLUSTER)
        file.write(big_endian(l1, "Q"))
        for number, table in enumerate(tables):
            file.seek((l2_at + number) * CLUSTER)
            file.write(big_endian(l2[table], "Q"))
        file.truncate(total * CLUSTER)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("large", "fragmented"):
        sys.exit(__doc__.strip())
    write(sys.argv[2], sys.argv[1])
