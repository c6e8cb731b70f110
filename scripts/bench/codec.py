"""codec.py: python3's pickle (protocol 5) on the data of codec.lua.

Prints a line a row: NAME ENCODE DECODE BYTES, processor seconds, medians of ROUNDS.
"""

import pickle
import sys
import time

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3


def tree(n):
    """n small tables in a tree, ten children each."""
    nodes = [{"id": i, "name": "node", "children": []} for i in range(1, n + 1)]
    for i in range(1, n):
        nodes[(i - 1) // 10]["children"].append(nodes[i])
    return nodes[0]


def rows():
    """The same data as in codec.lua."""
    yield "small record", {"id": 12345, "name": "Alice", "score": 98.5, "active": True,
                           "tags": ["a", "bb", "ccc"]}, 20000
    yield "tree of 100,000 tables", tree(50000), 1
    yield "1M integers", list(range(1, 1000001)), 1
    yield "1M floats", [i + 0.5 for i in range(1, 1000001)], 1
    yield "100,000 strings", ["string number %d" % i for i in range(1, 100001)], 1
    yield "10,000 records", [{"id": i, "name": "name %d" % i, "score": i / 3, "active": i % 2 == 0}
                             for i in range(1, 10001)], 1
    yield "16 MiB string", "x" * (16 << 20), 1


def measure(f, count):
    """Processor seconds a call, the median of ROUNDS."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(count):
            f()
        times.append((time.process_time() - start) / count)
    return sorted(times)[len(times) // 2]


for name, value, count in rows():
    data = pickle.dumps(value, protocol=5)
    encode = measure(lambda: pickle.dumps(value, protocol=5), count)
    decode = measure(lambda: pickle.loads(data), count)
    print("%s\t%.9f\t%.9f\t%d" % (name, encode, decode, len(data)), flush=True)
