"""python3's side of sync.lua: seconds an operation."""
import multiprocessing as mp
import os
import time

ctx = mp.get_context("fork")


CPUS = sorted(os.sched_getaffinity(0))


def on_cpu(number):
    os.sched_setaffinity(0, {CPUS[number % len(CPUS)]})


def on_any_cpu():
    os.sched_setaffinity(0, CPUS)


def timed(n, f):
    start = time.perf_counter()
    f(n)
    return (time.perf_counter() - start) / n


def both(n, f):
    """f(n) in two processes at once; seconds an operation of all 2n."""
    gate = ctx.Barrier(2)

    def child():
        on_cpu(1)
        gate.wait()
        f(n)

    on_cpu(0)
    p = ctx.Process(target=child)
    p.start()
    gate.wait()
    start = time.perf_counter()
    f(n)
    p.join()
    seconds = (time.perf_counter() - start) / (2 * n)
    on_any_cpu()
    return seconds


def lock(n):
    l = ctx.Lock()

    def loop(n):
        for _ in range(n):
            l.acquire()
            l.release()

    return timed(n, loop)


def lock_two(n):
    l = ctx.Lock()

    def loop(n):
        for _ in range(n):
            l.acquire()
            l.release()

    return both(n, loop)


def value_two(n):
    v = ctx.Value("q", 0)

    def loop(n):
        for _ in range(n):
            with v.get_lock():
                v.value += 1

    return both(n, loop)


def raw_write(n):
    v = ctx.RawValue("q", 0)

    def loop(n):
        for i in range(n):
            v.value = i

    return timed(n, loop)


def array_write(n):
    a = ctx.Array("q", 1000)

    def loop(n):
        for i in range(n):
            a[500] = i

    return timed(n, loop)


def array_totable(n):
    a = ctx.Array("d", 100000)

    def loop(n):
        for _ in range(n):
            a[:]

    return timed(n, loop)


def raw_array_write(n):
    a = ctx.RawArray("q", 1000)

    def loop(n):
        for i in range(n):
            a[500] = i

    return timed(n, loop)


def ping_pong(n, ping, pong):
    def child():
        on_cpu(1)
        pong(20)
        pong(n)

    on_cpu(0)
    p = ctx.Process(target=child)
    p.start()
    ping(20)
    start = time.perf_counter()
    ping(n)
    seconds = (time.perf_counter() - start) / n
    p.join()
    on_any_cpu()
    return seconds


def event(n):
    a, b = ctx.Event(), ctx.Event()

    def ping(n):
        for _ in range(n):
            a.set()
            b.wait()
            b.clear()

    def pong(n):
        for _ in range(n):
            a.wait()
            a.clear()
            b.set()

    return ping_pong(n, ping, pong)


def semaphore(n):
    a, b = ctx.Semaphore(0), ctx.Semaphore(0)

    def ping(n):
        for _ in range(n):
            a.release()
            b.acquire()

    def pong(n):
        for _ in range(n):
            a.acquire()
            b.release()

    return ping_pong(n, ping, pong)


def condition(n):
    c, turn = ctx.Condition(), ctx.RawValue("i", 0)

    def side(mine, n):
        with c:
            for _ in range(n):
                while turn.value != mine:
                    c.wait()
                turn.value = 1 - mine
                c.notify()

    return ping_pong(n, lambda n: side(0, n), lambda n: side(1, n))


def barrier(n):
    b = ctx.Barrier(2)

    def side(n):
        for _ in range(n):
            b.wait()

    return ping_pong(n, side, side)
