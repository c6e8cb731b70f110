"""Rows of pool.lua, measured with python3's multiprocessing: seconds an operation."""
import multiprocessing as mp
import sys
import time


def inc(x):
    return x + 1


def timed(n, f):
    began = time.perf_counter()
    f()
    return (time.perf_counter() - began) / n


def create():
    def work():
        for _ in range(20):
            pool = mp.Pool(2)
            pool.close()
            pool.join()
    return timed(20, work)


def apply(pool):
    return timed(2000, lambda: [pool.apply(inc, (i,)) for i in range(2000)])


def apply_async(pool):
    def work():
        results = [pool.apply_async(inc, (i,)) for i in range(20000)]
        for r in results:
            r.get()
    return timed(20000, work)


def imap_unordered(pool):
    items = list(range(20000))

    def work():
        for _ in pool.imap_unordered(inc, items, 1):
            pass
    return timed(20000, work)


def map_(pool, n):
    items = list(range(n))
    return timed(n, lambda: pool.map(inc, items))


if __name__ == "__main__":
    mp.set_start_method("fork")
    name = sys.argv[1].split()
    if name[0] == "create":
        print(create())
    else:
        with mp.Pool(2) as pool:
            pool.map(inc, range(1000))
            if name[0] == "map":
                print(map_(pool, int(name[1])))
            else:
                print(globals()[name[0]](pool))
