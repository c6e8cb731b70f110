"""python3's side of queue.lua: seconds a message, or a round trip."""
import multiprocessing as mp
import time

VALUES = {"int": 42, "big": "x" * (16 << 20),
          "record": {"id": 12345, "name": "a small record", "tags": ["x", "y", "z"], "score": 0.5}}


def putter(q, ready, go, n, value):
    ready.release()
    go.acquire()
    for _ in range(n):
        q.put(value)


def getter(q, ready, go, n):
    ready.release()
    go.acquire()
    for _ in range(n):
        q.get()


def queue(kind, pairs, n):
    value = VALUES[kind]
    q = mp.Queue()
    ready, go = mp.Semaphore(0), mp.Semaphore(0)
    ps = [mp.Process(target=f, args=(q, ready, go, n // pairs, *more))
          for f, more in [(putter, (value,)), (getter, ())] * pairs]
    for p in ps:
        p.start()
    for _ in ps:
        ready.acquire()
    start = time.monotonic()
    for _ in ps:
        go.release()
    for p in ps:
        p.join()
    return (time.monotonic() - start) / (n // pairs * pairs)


def echo(conn, n):
    for _ in range(n):
        conn.send(conn.recv())


def pipe(size, n):
    """A round trip; size 8 is an integer."""
    value = 42 if size == 8 else "x" * size
    a, b = mp.Pipe()
    p = mp.Process(target=echo, args=(b, n + 1))
    p.start()
    a.send(value)
    a.recv()
    start = time.monotonic()
    for _ in range(n):
        a.send(value)
        a.recv()
    seconds = (time.monotonic() - start) / n
    p.join()
    return seconds
