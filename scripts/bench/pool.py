"""python3's side of pool.lua: seconds an operation."""
import multiprocessing as mp
import time


def inc(x):
    return x + 1


def timed(n, f):
    began = time.perf_counter()
    f()
    return (time.perf_counter() - began) / n


def pooled(f):
    """A row's work with a warm pool."""
    def row(n, workers=2):
        with mp.Pool(workers) as pool:
            pool.map(inc, range(1000))
            return timed(n, lambda: f(pool, n))
    return row


def create(workers, n):
    def work():
        for _ in range(n):
            pool = mp.Pool(workers)
            pool.close()
            pool.join()
    return timed(n, work)


@pooled
def apply(pool, n):
    for i in range(n):
        pool.apply(inc, (i,))


@pooled
def apply_async(pool, n):
    results = [pool.apply_async(inc, (i,)) for i in range(n)]
    for r in results:
        r.get()


@pooled
def imap_unordered(pool, n):
    for _ in pool.imap_unordered(inc, range(n), 1):
        pass


@pooled
def map(pool, n):
    pool.map(inc, range(n))


def map_by(workers, n):
    return map(n, workers)


def burn(_):
    x = 0
    for i in range(300000):
        x += i % 7
    return x


def efficiency(_):
    """Percent of two processors that two workers use."""
    with mp.Pool(2) as pool:
        pool.map(burn, [1, 2])
        alone = together = float("inf")
        for _ in range(3):
            alone = min(alone, timed(1, lambda: pool.map(burn, range(6), 6)))
            together = min(together, timed(1, lambda: pool.map(burn, range(6), 1)))
    return 50 * alone / together


def idle():
    time.sleep(0.2)
    with open("/proc/self/smaps_rollup") as f:
        return max(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def memory(workers, _):
    """KiB of an idle worker: the most of all, each counted while the others are there."""
    with mp.Pool(workers) as pool:
        results = [pool.apply_async(idle) for _ in range(workers)]
        return max(r.get() for r in results)


