"""python3's side of manager.lua: seconds an operation."""
import multiprocessing as mp
from multiprocessing.managers import BaseManager

from sync import both, timed

ctx = mp.get_context("fork")
KEYS = ["key%d" % i for i in range(1000)]
manager = None
grown = None
grown_to = 0


def make(kind, *contents):
    global manager
    if manager is None:
        manager = ctx.Manager()
    return getattr(manager, kind)(*contents)


def full_dict():
    return make("dict", {k: 1 for k in KEYS})


def set_loop(d):
    def loop(n):
        for i in range(n):
            d[KEYS[i % 1000]] = i
    return loop


def get_loop(d):
    def loop(n):
        for i in range(n):
            d[KEYS[i % 1000]]
    return loop


def append_loop(l):
    def loop(n):
        for i in range(n):
            l.append(i)
    return loop


def set_one(n):
    return timed(n, set_loop(full_dict()))


def get_one(n):
    return timed(n, get_loop(full_dict()))


def set_two(n):
    return both(n, set_loop(full_dict()))


def get_two(n):
    return both(n, get_loop(full_dict()))


def set_new(n):
    d = make("dict")

    def loop(n):
        for i in range(n):
            d[i] = i

    return timed(n, loop)


def record(n):
    d = full_dict()

    def loop(n):
        for i in range(n):
            d[KEYS[i % 1000]] = {"id": i, "name": "a record", "list": [1, 2, 3]}

    return timed(n, loop)


def incr_two(n):
    """With a lock of the manager's: += alone loses counts."""
    d, lock = make("dict", {"hits": 0}), make("Lock")

    def loop(n):
        for _ in range(n):
            with lock:
                d["hits"] += 1

    return both(n, loop)


def append_one(n):
    return timed(n, append_loop(make("list")))


def append_two(n):
    return both(n, append_loop(make("list")))


def read_one(n):
    l = make("list", KEYS)

    def loop(n):
        for i in range(n):
            l[i % 1000]

    return timed(n, loop)


def of_size(size, n):
    """A read and a write far from the last one; the same dict for all sizes."""
    global grown, grown_to
    if grown is None:
        grown = make("dict")
    grown.update({i: i for i in range(grown_to, size)})
    grown_to = max(grown_to, size)

    def loop(n):
        for i in range(n):
            k = i * 7919 % size
            grown[k] = grown[k] + 1

    return timed(n, loop)


class Counter:
    def __init__(self):
        self.n = 0

    def add(self, k):
        self.n += k
        return self.n


class Own(BaseManager):
    pass


Own.register("Counter", Counter)
own = far = client = None


def counter():
    global own
    if own is None:
        own = Own(ctx=ctx)
        own.start()
    return own.Counter()


def remote_counter():
    global far, client
    if client is None:
        far = Own(("127.0.0.1", 0), b"bench", ctx=ctx)
        far.start()
        client = Own(far.address, b"bench")
        client.connect()
    return client.Counter()


def add_loop(c):
    def loop(n):
        for _ in range(n):
            c.add(1)
    return loop


def call_one(n):
    return timed(n, add_loop(counter()))


def call_tcp(n):
    return timed(n, add_loop(remote_counter()))
