"""python3's side of codec.lua: pickle (protocol 5) on the same data, processor seconds a value."""
import gc
import pickle
import time


def tree():
    """50,000 small tables in a tree, ten children each; each has a list of them."""
    nodes = [{"id": i, "name": "node", "children": []} for i in range(1, 50001)]
    for i in range(1, len(nodes)):
        nodes[(i - 1) // 10]["children"].append(nodes[i])
    return nodes[0]


MAKE = {
    "record": lambda: {"id": 12345, "name": "Alice", "score": 98.5, "active": True,
                       "tags": ["a", "bb", "ccc"]},
    "tree": tree,
    "integers": lambda: list(range(1, 1000001)),
    "floats": lambda: [i + 0.5 for i in range(1, 1000001)],
    "strings": lambda: ["string number %d" % i for i in range(1, 100001)],
    "records": lambda: [{"id": i, "name": "name %d" % i, "score": i / 3, "active": i % 2 == 0}
                        for i in range(1, 10001)],
    "big": lambda: "x" * (16 << 20),
}
made = {}


def value(kind):
    if kind not in made:
        made.clear()
        made[kind] = MAKE[kind]()
    return made[kind]


def measure(f, x, n):
    """As in codec.lua, the collector of cycles rests meanwhile."""
    gc.collect()
    gc.disable()
    start = time.process_time()
    for _ in range(n):
        f(x)
    seconds = (time.process_time() - start) / n
    gc.enable()
    return seconds


def encode(kind, n):
    return measure(lambda x: pickle.dumps(x, protocol=5), value(kind), n)


def decode(kind, n):
    return measure(pickle.loads, pickle.dumps(value(kind), protocol=5), n)
